import { $, admin, inRoom, refuse, tell } from "./api.js";
import { laneOf } from "./line-lanes.js";
import { facts, say } from "./line-parts.js";
import { count } from "../format.js";
import { momentOf } from "../moment.js";

/** A reference, as a shopper reads it out: the line but for the first, the number (or E and an entry), four signs of the ticket. */
const REFERENCE = /^(?:([a-z][a-z0-9]*)[\s-]+)?(e?\d+)[\s-]+([34679ACDEFGHJKMNPQRTVWXY]{4})$/i, FIRST_LINE = "main-1";
const STATES = {
  waiting: "Waiting", aside: "Stepped aside", called: "Called, not inside yet", claimed: "Inside", missed: "Missed its call",
  left: "Given up", revoked: "Taken away", over: "Over", sold_out: "Waiting, and everything is sold", ended: "The sale has ended",
};
/** The effect of taking a place away, by its state. */
const DOES = {
  called: "Its call ends, and any unit set aside for it goes to the next shopper.",
  claimed: "Its session ends at once, and the items in its basket go back on the shelf. This is refused while a payment is in progress.",
  over: "Its holder cannot join again where each person has one place. If it bought something, this is refused.",
};
const PASSED = "It will not be called, and the line moves on without it.";

const OTHERS = "The letters of the reference do not match this place’s ticket: the place has moved, or the number is another’s.";

/** The place that was looked up. @type {any} */
let found = null;

/** Return the line of a reference, whose name is written there in one word. @param {string} word */
function lineOf(word) {
  const named = [...$("place-line").options].find((one) => one.value.replace("-", "") === word.toLowerCase());
  return word ? named?.value ?? word.toLowerCase() : FIRST_LINE;
}

/** Read the field: a number in the chosen line, or a reference. @returns {{line: string, number: string, letters: string} | null} */
function typed() {
  const text = $("place-number").value.trim();
  const parts = REFERENCE.exec(text);
  if (parts) return { line: lineOf(parts[1] ?? ""), number: parts[2].toLowerCase(), letters: parts[3].toUpperCase() };
  const number = text.replace(/[\s.,’']/g, "");
  return /^\d+$/.test(number) ? { line: $("place-line").value, number, letters: "" } : null;
}

/** Say whether a reference has the letters of the place's present ticket. @param {string} letters @param {string | null} reference */
function fit(letters, reference) {
  if (!letters) return "";
  if (!reference) return "The letters cannot be checked: until its holder goes inside or moves the place, only its number is kept.";
  return reference.endsWith(` ${letters}`) ? "The letters of the reference match this place’s ticket." : OTHERS;
}

/** @param {any} place @param {string} letters */
function draw(place, letters) {
  found = place;
  const { line, number, status, place: ahead, reference, profile, claim_until: until, grace_until: grace } = place;
  $("place").hidden = false;
  $("place-title").textContent = `Place ${count(number)} in ${line}`;
  const waits = ["waiting", "aside"].includes(status);
  $("place-facts").replaceChildren(...facts([
    ["It is", STATES[status] ?? status], ["To be called before it", waits ? count(Math.max(ahead - 1, 0)) : ""], ["Reference", reference ?? ""],
    ["More time", profile ?? ""], ["Called until", until ? momentOf(until) : ""], ["Can come back until", grace ? momentOf(grace) : ""],
  ]));
  const word = fit(letters, reference);
  say("place-fit", word);
  $("place-fit").hidden = !word;
  $("place-fit").classList.toggle("why", word === OTHERS);
  if ($("place-revoke")) $("place-revoke").hidden = ["left", "revoked"].includes(status);
  $("place-title").focus();
}

/** @param {{line: string, number: string, letters: string}} wish */
async function lookUp({ line, number, letters }) {
  $("place").hidden = true;
  const place = await tell(() => admin("GET", inRoom(`/places/${encodeURIComponent(line)}/${number}`)), "", "place");
  if (place) draw(place, letters);
}

function ask() {
  const { line, number, status } = found;
  $("revoke-title").textContent = `Take place ${count(number)} in ${line} away?`;
  $("revoke-does").textContent = `${DOES[status] ?? PASSED} Its holder is told that the organiser has taken it away. This cannot be undone.`;
  $("revoke-number").textContent = String(number);
  $("revoke-confirm").value = $("revoke-reason").value = "";
  check();
  $("revoke-dialog").returnValue = "";
  $("revoke-dialog").showModal();
}

function check() {
  $("revoke-yes").disabled = $("revoke-confirm").value.trim() !== String(found?.number) || !$("revoke-reason").value.trim();
}

async function revoke() {
  if ($("revoke-dialog").returnValue !== "revoke" || !found) return;
  const { line, number } = found, path = inRoom(`/places/${encodeURIComponent(line)}/${number}`);
  const body = { confirm: number, reason: $("revoke-reason").value.trim() };
  const done = await tell(() => admin("DELETE", path, body), `Place ${count(number)} in ${line} was taken away.`, "place");
  if (!done) return;
  draw({ ...found, status: "revoked", claim_until: null, grace_until: null }, "");
}

export function wirePlace() {
  $("place-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const wish = typed();
    if (wish) return void lookUp(wish);
    $("place").hidden = true;
    refuse("place", "place-number", "That is neither a number nor a reference such as main-1-12-Ab3x.");
  });
  // A reference names its line.
  $("place-number").addEventListener("input", () => {
    const line = typed()?.line;
    if (line && laneOf(line)) $("place-line").value = line;
  });
  if (!$("place-revoke")) return;
  $("place-revoke").addEventListener("click", ask);
  for (const id of ["revoke-confirm", "revoke-reason"]) $(id).addEventListener("input", check);
  $("revoke-dialog").addEventListener("close", revoke);
}
