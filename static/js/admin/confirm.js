import { addressOf, ask, NoAnswer } from "../api.js";
import { canSign, NoPasskey, sign } from "./passkey.js";

const box = document.getElementById("passkey-box");
const problem = document.getElementById("passkey-problem");

/** Prove with a passkey, and go on to what was asked for. */
async function confirm() {
  if (!box || !problem) return;
  problem.textContent = "";
  try {
    const offer = await ask("POST", "/admin/proofs/options", { body: {} });
    const answer = offer.ok ? await ask("POST", "/admin/proofs", { body: { passkey: await sign(offer.data.options) } }) : offer;
    if (answer.ok) return location.assign(addressOf(box.dataset.to ?? "/admin"));
    problem.textContent = answer.data?.detail ?? `The server refused this (${answer.status}).`;
  } catch (error) {
    if (!(error instanceof NoAnswer || error instanceof NoPasskey)) throw error;
    problem.textContent = error.message;
  }
}

if (box && canSign(box.dataset.origin ?? "")) {
  box.hidden = false;
  document.getElementById("passkey")?.addEventListener("click", confirm);
}
