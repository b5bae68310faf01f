// Stands in the head of the page of a browser without a place, and joins while styles and scripts are still on
// their way: on a slow line that saves a round trip. static/js/waiting.js takes up the answer. A browser that
// has lost a place here, or that forbids storage, leaves the decision to that script.
{
  const { room, sku } = /** @type {any} */ (document.currentScript).dataset;
  try {
    if (!localStorage[`waitroom-place:${room}`]) {
      const headers = { Accept: "application/json", ...(sku && { "Content-Type": "application/json" }) };
      const request = { method: "POST", headers, body: sku && JSON.stringify({ sku }), signal: AbortSignal.timeout(15000) };
      /** @type {Promise<Response | null> | null} */
      let answer = fetch(`${location.pathname.split("/rooms/")[0]}/rooms/${encodeURIComponent(room)}/tickets`, request).catch(() => null);
      // It can be read once.
      /** @type {any} */ (window).joining = () => { const once = answer; answer = null; return once; };
    }
  } catch { /* see above */ }
}
