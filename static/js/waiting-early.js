// Stands in the head of the page of a browser without a place, and joins while styles and scripts are still on
// their way: on a slow line that saves a round trip. static/js/waiting.js takes up the answer. A browser that
// has lost a place here, or that forbids storage, leaves the decision to that script.
{
  const { room, sku } = /** @type {any} */ (document.currentScript).dataset;
  try {
    if (!localStorage[`waitroom-place:${room}`]) {
      // The token in the answer is bound to this key, and the cookies to the browser.
      const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
      /** @type {any} */ (window).clientKey = key;
      const headers = { Accept: "application/json", "Waitroom-Client-Key": key, ...(sku && { "Content-Type": "application/json" }) };
      const request = { method: "POST", headers, body: sku && JSON.stringify({ sku }), signal: AbortSignal.timeout(15000) };
      /** @type {Promise<Response | null> | null} */
      let answer = fetch(`${location.pathname.split("/rooms/")[0]}/rooms/${encodeURIComponent(room)}/tickets`, request).catch(() => null);
      // It can be read once.
      /** @type {any} */ (window).joining = () => { const once = answer; answer = null; return once; };
    }
  } catch { /* see above */ }
}
