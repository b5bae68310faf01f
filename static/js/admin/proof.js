import { ask, NoAnswer } from "../api.js";
import { NoPasskey, sign } from "./passkey.js";

/** @param {string} id */
const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** The proof that is being asked for: two acts at once share one. @type {Promise<boolean> | null} */
let asked = null;

/**
 * Send a proof and return whether it was accepted; say beside the form why not.
 * @param {() => Promise<any>} make the proof
 */
async function send(make) {
  $("proof-problem").textContent = "";
  try {
    const { ok, status, data } = await ask("POST", "/admin/proofs", { body: await make() });
    if (!ok) $("proof-problem").textContent = data?.detail ?? `The server refused this (${status}).`;
    return ok;
  } catch (error) {
    if (!(error instanceof NoAnswer || error instanceof NoPasskey)) throw error;
    $("proof-problem").textContent = error.message;
    return false;
  }
}

/** A passkey's proof. */
async function signed() {
  const { ok, data } = await ask("POST", "/admin/proofs/options", { body: {} });
  if (!ok) throw new NoPasskey(data?.detail ?? "No passkey was used.");
  return { passkey: await sign(data.options) };
}

/** What was typed: a code, or else the password. */
function typed() {
  const code = $("proof-code").value.trim();
  return code ? { code } : { password: $("proof-password").value };
}

/** @param {string[]} ways @returns {Promise<boolean>} */
function askFor(ways) {
  const dialog = $("proof-dialog");
  for (const [way, id] of [["passkey", "passkey"], ["code", "code"], ["password", "password"]]) $(`proof-${id}-box`).hidden = !ways.includes(way);
  $("proof-password-label").textContent = ways.includes("code") ? "Or your password" : "Your password";
  $("proof-again").hidden = !ways.includes("sign_in");
  $("proof-go").hidden = !ways.includes("code") && !ways.includes("password");
  $("proof-code").value = $("proof-password").value = $("proof-problem").textContent = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "proved"), { once: true }));
}

/** Ask the operator to prove who they are, in one of these ways. @param {string[]} ways @returns {Promise<boolean>} whether they did */
export const proved = (ways) => asked ??= askFor(ways).finally(() => { asked = null; });

/** Return whether the last proof is fresh, after asking for another if it is not. @returns {Promise<boolean>} */
export async function confirmed() {
  const { ok, data } = await ask("GET", "/admin/proofs");
  return ok && (data.fresh || await proved(data.ways));
}

$("proof-form")?.addEventListener("submit", async (/** @type {Event} */ event) => {
  event.preventDefault();
  if (await send(async () => typed())) $("proof-dialog").close("proved");
});
$("proof-passkey")?.addEventListener("click", async () => { if (await send(signed)) $("proof-dialog").close("proved"); });
$("proof-cancel")?.addEventListener("click", () => $("proof-dialog").close(""));
