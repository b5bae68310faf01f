import { ask } from "./api.js";
import { say } from "./words.js";

/** Stripe requires that its script comes from Stripe, so this one script is not kept here. */
const SCRIPT = "https://js.stripe.com/v3/";
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

/** Put Stripe's card field into the form. */
async function mount() {
  const stripe = (await loaded())(document.getElementById("card-payment")?.dataset.key);
  const { color, fontSize } = getComputedStyle(form);
  const card = stripe.elements().create("card", { disableLink: true, style: { base: { color, fontSize } } });
  card.on("change", (/** @type {any} */ { error }) => { token.value = ""; tell(error?.message ?? ""); });
  card.mount("#card-field");
  return { stripe, card };
}

const mounted = mount();
mounted.catch(() => tell(say("The card field could not be loaded. Please allow js.stripe.com and load the page again.")));

// Stripe turns a card into a token, and the form goes on as with any token. It keeps the token until
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
    const { stripe, card } = await mounted;
    const { paymentMethod, error } = await stripe.createPaymentMethod({ type: "card", card });
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
