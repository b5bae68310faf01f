/** The name that the provider's script calls once it is there. */
const READY = "checkReady";

/**
 * Show the widget of the outside check, and return the token that it gives once the shopper has passed.
 * Turnstile, hCaptcha and reCAPTCHA have the same form. @param {{script: string, site_key: string}} asked @returns {Promise<string>} "" where the provider's script does not come
 */
export async function pass({ script, site_key: key }) {
  const page = /** @type {any} */ (window);
  const provider = () => page.turnstile ?? page.hcaptcha ?? page.grecaptcha;
  if (!provider()) {
    const loaded = await new Promise((done) => {
      page[READY] = () => done(true);
      document.head.append(Object.assign(document.createElement("script"), { src: `${script}?render=explicit&onload=${READY}`, onerror: () => done(false) }));
    });
    if (!loaded) return "";
  }
  document.getElementById("human")?.remove();
  const box = Object.assign(document.createElement("div"), { id: "human" });
  document.getElementById("join")?.closest("form")?.before(box);
  const token = await new Promise((passed) => provider().render(box, { sitekey: key, callback: passed }));
  box.remove();
  return token;
}
