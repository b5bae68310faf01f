import { ask } from "./api.js";
import { say } from "./words.js";

/** Say which place this browser had. @param {string} number @param {string} reference */
export function name(number, reference) {
  document.getElementById("lost-text").textContent = say("The cookies with your ticket are gone from this browser. You had number {number}, reference {reference}. No new number was taken.", { number, reference });
}

/**
 * Bring the ticket of a browser that lost its cookies back: a page that took the number itself still
 * has it. Otherwise say which place it was; no new number is taken unasked. @param {string} base the room's address @param {string} token of the ticket, or ""
 * @param {string} key to which the token is bound
 * @param {(text: string) => void} tell @param {(data: any) => void} keep takes where the ticket stands
 * @returns {Promise<boolean>} whether the ticket is back
 */
export async function recover(base, token, key, tell, keep) {
  const given = token ? await ask("POST", `${base}/tickets`, { headers: { Authorization: `Bearer ${token}`, "Waitroom-Client-Key": key }, there: true }) : null;
  // A browser that keeps no cookies at all does not send the new one either.
  const standing = given?.ok ? await ask("GET", `${base}/tickets/me`, { there: true }) : null;
  if (standing?.ok) {
    keep(standing.data);
    tell(say("This browser had lost its cookies. Your ticket is back, and your place is kept."));
    return true;
  }
  const [number, reference] = ["number", "reference"].map((id) => document.getElementById(id)?.textContent ?? "");
  name(number, reference);
  return false;
}
