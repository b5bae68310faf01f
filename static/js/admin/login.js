import { addressOf, ask, NoAnswer } from "../api.js";
import { canSign, NoPasskey, sign } from "./passkey.js";

const box = /** @type {HTMLElement} */ (document.getElementById("passkey-box"));
const problem = /** @type {HTMLElement} */ (document.getElementById("passkey-problem"));
const to = /** @type {HTMLInputElement} */ (document.querySelector("[name=to]")).value;

/** Ask for a challenge, let a passkey sign it, and go where the sign-in leads. */
async function signIn() {
  problem.textContent = "";
  try {
    const offer = await ask("POST", `${box.dataset.at}/options`, { body: {} });
    const answer = offer.ok ? await ask("POST", `${box.dataset.at}/passkey`, { body: { passkey: await sign(offer.data), to } }) : offer;
    if (answer.ok) return location.assign(addressOf(answer.data.to));
    problem.textContent = answer.data?.detail ?? `The server refused this (${answer.status}).`;
  } catch (error) {
    if (!(error instanceof NoAnswer || error instanceof NoPasskey)) throw error;
    problem.textContent = error.message;
  }
}

if (canSign(box.dataset.origin ?? "")) {
  box.hidden = false;
  /** @type {HTMLElement} */ (document.getElementById("passkey")).addEventListener("click", signIn);
}
