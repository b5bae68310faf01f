import { ask } from "./api.js";
import { digitsOf } from "./money.js";
import { say } from "./words.js";

/** Stripe requires that its script comes from Stripe, so this one script is not kept here. */
const SCRIPT = "https://js.stripe.com/v3/";
/** Currencies that Stripe counts with other digits than ISO 4217 (checkout/gateway/stripe_gateway.py). @type {Record<string, number>} */
const STRIPE_DIGITS = { ISK: 2, UGX: 2, MGA: 0 };
/** Stripe's names of our languages where they differ; it does not speak Hindi. @type {Record<string, string>} */
const LOCALES = { "zh-Hans": "zh", hi: "auto" };
/** Stripe draws its fields for some amount; before anything is held there is none. */
const LEAST = 100;
const NOT_LOADED = say("The card field could not be loaded. Please allow js.stripe.com and load the page again.");
/** Seconds before each look whether the shopper has to confirm at their bank; the last one repeats. */
const LOOKS_S = [0, 2, 4, 8, 15];

const form = /** @type {HTMLFormElement} */ (document.getElementById("pay-form"));
const token = /** @type {HTMLInputElement} */ (form.elements.namedItem("token"));
/** The hold that the token was made for; Stripe takes a token once. */
let tokenFor = "";

/** @param {string} text */
const tell = (text) => { /** @type {HTMLElement} */ (document.getElementById("card-problem")).textContent = text; };

/** @returns {Promise<any>} */
const loaded = () => new Promise((done, fail) => {
  const script = Object.assign(document.createElement("script"), { src: SCRIPT, onerror: fail });
  script.onload = () => done(/** @type {any} */ (window).Stripe);
  document.head.append(script);
});

/** Return an amount as Stripe counts it, as `stripe_amount` does on the server. @param {number} minor @param {string} currency */
const asStripeCounts = (minor, currency) => Math.round(minor * 10 ** ((STRIPE_DIGITS[currency] ?? digitsOf(currency)) - digitsOf(currency)));

/** Return the look of the page for Stripe's fields. */
function appearance() {
  const style = getComputedStyle(document.documentElement), value = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const variables = { colorPrimary: value("--accent"), colorBackground: value("--paper"), colorText: value("--ink"), colorDanger: value("--warm"), borderRadius: "8px", fontFamily: getComputedStyle(form).fontFamily };
  return { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "stripe", variables };
}

/** Put Stripe's Payment Element into the form: cards, and the wallets that hold them where the device has one. */
async function mount() {
  const box = /** @type {HTMLElement} */ (document.getElementById("card-payment"));
  const { key, currency = "EUR" } = box.dataset, lang = document.documentElement.lang;
  const stripe = (await loaded())(key, { locale: LOCALES[lang] ?? lang });
  const elements = stripe.elements({
    mode: "payment", amount: amountOf(document.getElementById("pay-button"), currency), currency: currency.toLowerCase(),
    captureMethod: "manual", paymentMethodCreation: "manual", paymentMethodTypes: ["card"], appearance: appearance(),
  });
  const payment = elements.create("payment", { wallets: { applePay: "auto", googlePay: "auto" } });
  payment.on("change", () => { token.value = ""; tell(""); });
  payment.on("loaderror", () => tell(NOT_LOADED));
  payment.mount("#card-field");
  return { stripe, elements, currency };
}

/** Return what a button pays; a wallet shows it before it asks. @param {any} button @param {string} currency */
const amountOf = (button, currency) => Math.max(asStripeCounts(Number(button?.dataset.minor) || 0, currency), LEAST);

const mounted = mount();
mounted.catch(() => tell(NOT_LOADED));

// Stripe turns a card or a wallet into a token, and the form goes on as with any token. It keeps the token until
// an answer has come, so that pressing again repeats the payment and starts no second one.
form.addEventListener("submit", async (event) => {
  const pressed = /** @type {HTMLButtonElement} */ (event.submitter ?? document.getElementById("pay-button"));
  const hold = pressed.value;
  if (token.value && hold === tokenFor) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  pressed.disabled = true;
  token.value = "";
  tell("");
  try {
    const { stripe, elements, currency } = await mounted;
    elements.update({ amount: amountOf(pressed, currency) });
    const checked = await elements.submit();
    const { paymentMethod, error } = checked.error ? checked : await stripe.createPaymentMethod({ elements });
    if (error) tell(error.message);
    else [token.value, tokenFor] = [paymentMethod.id, hold];
  } catch { tell(say("Stripe did not answer. Nothing was charged: please try again.")); }
  pressed.disabled = false;
  // The page may have replaced its buttons meanwhile.
  const button = /** @type {any} */ (form.querySelector(`button[value="${CSS.escape(hold)}"]`));
  // If Stripe is quick, the form is still submitting, and would ignore a second submission.
  if (token.value && button) setTimeout(() => form.requestSubmit(button));
}, { capture: true });

document.addEventListener("pay-answer", (event) => {
  const { status, data } = /** @type {CustomEvent} */ (event).detail;
  if (status === 202) goToBank(data.order_id);
  else token.value = "";
});

/** Go to the bank's page once there is one; the checkout leaves this page when the payment is decided. @param {string} orderId */
async function goToBank(orderId) {
  for (let look = 0; ; look += 1) {
    await new Promise((wake) => setTimeout(wake, 1000 * LOOKS_S[Math.min(look, LOOKS_S.length - 1)]));
    const { data } = await ask("GET", `/checkout/stripe/${orderId}`).catch(() => ({ data: null }));
    if (URL.canParse(data?.url)) return location.assign(data.url);
  }
}
