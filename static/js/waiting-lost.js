import { ask } from "./api.js";
import { say } from "./words.js";

/**
 * Bring the ticket of a browser that lost its cookies back: a page that took the number itself still
 * has it. Otherwise say which place it was; no new number is taken unasked. @param {string} base the room's address @param {string} token of the ticket, or ""
 * @param {(text: string) => void} announce @param {(data: any) => void} keep takes where the ticket stands
 * @returns {Promise<boolean>} whether the ticket is back
 */
export async function recover(base, token, announce, keep) {
  const given = token ? await ask("POST", `${base}/tickets`, { headers: { Authorization: `Bearer ${token}` }, there: true }) : null;
  // A browser that keeps no cookies at all does not send the new one either.
  const standing = given?.ok ? await ask("GET", `${base}/tickets/me`, { there: true }) : null;
  if (standing?.ok) {
    keep(standing.data);
    announce(say("This browser had lost its cookies. Your ticket is back, and your place is kept."));
    return true;
  }
  const [number, reference] = ["number", "reference"].map((id) => document.getElementById(id)?.textContent ?? "");
  const text = document.getElementById("lost-text");
  if (text) text.textContent = say("The cookies with your ticket are gone from this browser. You had number {number}, reference {reference}. That place is still in line, and no new number was taken.", { number, reference });
  return false;
}
