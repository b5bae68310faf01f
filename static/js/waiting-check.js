/** The name that the provider's script calls once it is there. */
const READY = "checkReady";

/**
 * Show the widget of the outside check, and return the token that it gives once the shopper has passed.
 * Turnstile, hCaptcha and reCAPTCHA have the same form. @param {{script: string, site_key: string}} asked @returns {Promise<string>}
 */
export async function pass({ script, site_key: key }) {
  const page = /** @type {any} */ (window);
  const provider = () => page.turnstile ?? page.hcaptcha ?? page.grecaptcha;
  if (!provider()) {
    await new Promise((ready, failed) => {
      page[READY] = ready;
      document.head.append(Object.assign(document.createElement("script"), { src: `${script}?render=explicit&onload=${READY}`, onerror: failed }));
    });
  }
  document.getElementById("human")?.remove();
  const box = Object.assign(document.createElement("div"), { id: "human" });
  document.getElementById("join")?.closest("form")?.before(box);
  const token = await new Promise((passed) => provider().render(box, { sitekey: key, callback: passed }));
  box.remove();
  return token;
}
