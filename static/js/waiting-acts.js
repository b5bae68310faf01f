import { ask } from "./api.js";
import { say } from "./words.js";

// The acts on a place other than claiming it (waitroom/web/places_api.py).

/** @type {Record<string, {method: string, path: string, body?: (form: HTMLFormElement) => object, said: string}>} */
const ACTS = {
  aside: { method: "POST", path: "tickets/me/aside", said: say("You stepped aside. The line goes on without you.") },
  back: { method: "POST", path: "tickets/me/back", said: say("You are back in line.") },
  code: { method: "POST", path: "tickets/me/code", said: say("Here is the code. It is valid for ten minutes and works once.") },
  bring: { method: "POST", path: "move", body: (form) => ({ code: form.elements.code.value }), said: say("The place is on this device now.") },
  choose: { method: "PUT", path: "tickets/me/choice", body: (form) => ({ sku: form.elements.sku.value || null }), said: say("Your choice is saved. Your place stays the same.") },
  mail: { method: "PUT", path: "mail", body: (form) => ({ email: form.elements.email.value }), said: say("We write to you shortly before your turn and when it comes.") },
  "no-mail": { method: "DELETE", path: "mail", said: say("You get no more messages.") },
  "more-time": { method: "PUT", path: "tickets/me/profile", body: (form) => ({ profile: form.elements.profile.value }), said: say("You have more time now.") },
};

/** Return a code in two groups, and sign by sign for a screen reader. @param {string} code */
function drawCode(code) {
  const seen = Object.assign(document.createElement("span"), { textContent: `${code.slice(0, 5)} ${code.slice(5)}` });
  const heard = Object.assign(document.createElement("span"), { textContent: [...code].join(" "), className: "heard" });
  seen.ariaHidden = "true";
  const box = document.getElementById("code");
  box.replaceChildren(seen, heard);
  box.hidden = false;
  box.focus();
}

/** The acts whose answers are no ticket. */
const APART = ["code", "mail", "no-mail"];

/** Show whether messages are asked for. @param {string | null} email */
function drawMail(email) {
  const [ask, stop] = ["mail-form", "no-mail-form"].map((id) => document.getElementById(id));
  [ask.hidden, stop.hidden] = [!!email, !email];
  if (email) document.getElementById("mail-told").textContent = say("We write to {address} shortly before your turn and when it comes.", { address: email });
  (email ? stop : ask).querySelector("button").focus();
}

/** Forget the receipt of a place that was given up. @param {string} base */
function forgetReceipt(base) {
  try { localStorage.removeItem(`waitroom-receipt:${decodeURIComponent(base.split("/").pop())}`); } catch { /* nothing is kept */ }
}

/**
 * Do it, and return the result: in words, with the ticket as it stands then, or that it is gone.
 * @param {string} verb @param {string} base the room's address @param {HTMLFormElement} form
 * @returns {Promise<{said: string, me?: any, gone?: boolean}>}
 */
export async function act(verb, base, form) {
  const { method, path, body, said } = ACTS[verb];
  const { ok, data } = await ask(method, `${base}/${path}`, body ? { body: body(form) } : {});
  if (!ok) return { said: data?.detail ?? say("That did not work."), gone: ["ticket_moved", "no_ticket", "ticket_over"].includes(data?.code) };
  if (verb === "code") drawCode(data.code);
  if (verb === "bring") { form.reset(); form.closest("details").open = false; forgetReceipt(base); }
  if (form.id.endsWith("mail-form")) drawMail(data?.email ?? null);
  return { said, me: APART.includes(verb) ? null : data };
}
