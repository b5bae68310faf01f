import { $, admin, fillRows, inRoom, tell, told } from "./api.js";
import { button } from "./line-parts.js";
import { count, plural } from "../format.js";
import { momentOf } from "../moment.js";

const NONE = "No place is taken away.";
/** The most places that one act gives back, and that one page of the list has. */
const MOST = 200;
/** The numbers of an act that are named in the list. */
const NAMED = 5;

let mayChange = false;
/** The acts that are listed: places with one author and one reason, one after the other. @type {any[]} */
let acts = [];
/** The page that follows. @type {string | null} */
let next = null;
/** The act that is about to be undone. @type {any} */
let chosen = null;

/** Add a place to the last act, or begin another. @param {any} place */
function add({ line, number, at, who, reason }) {
  const last = acts.at(-1);
  if (last?.who === who && last.reason === reason && last.places.length < MOST) last.places.push({ line, number });
  else acts.push({ who, reason, at, places: [{ line, number }] });
}

/** @param {any[]} places */
function named(places) {
  const few = places.slice(0, NAMED).map(({ line, number }) => `${line} ${count(number)}`).join(", ");
  return `${plural(places.length, "place")}: ${few}${places.length > NAMED ? ", …" : ""}`;
}

/** @param {any} act */
function row(act) {
  const { places, at, who, reason } = act, label = `Give ${plural(places.length, "place")} back`;
  return [named(places), momentOf(at), who, reason, ...(mayChange ? [button("Give back…", `back ${places[0].line} ${places[0].number}`, () => ask(act), label)] : [])];
}

async function more() {
  const found = await tell(() => admin("GET", inRoom(`/revocations?limit=${MOST}${next ? `&before=${next}` : ""}`)), "", "taken");
  if (!found) return;
  found.places.forEach(add);
  next = found.next;
  $("taken-more").hidden = !next;
  fillRows("taken-rows", acts.map(row), NONE);
}

/** List the places that are taken away now. */
export function listTaken() {
  acts = [];
  next = null;
  return more();
}

/** @param {any} act */
function ask(act) {
  chosen = act;
  $("back-title-text").textContent = `Give ${plural(act.places.length, "place")} back?`;
  $("back-reason").value = "";
  $("back-yes").disabled = true;
  $("back-dialog").returnValue = "";
  $("back-dialog").showModal();
}

async function giveBack() {
  if ($("back-dialog").returnValue !== "back" || !chosen) return;
  const { places } = chosen, body = { places, confirm: places.length, reason: $("back-reason").value.trim() };
  const done = await tell(() => admin("POST", inRoom("/revocations/undo"), body), "", "taken");
  if (!done) return;
  const kept = done.kept ? ` ${plural(done.kept, "place")} stayed: given back meanwhile, or of a line that is over.` : "";
  await listTaken();
  told("taken", { done: `${plural(done.given_back, "place")} given back.${kept}` });
  // The button is gone, and the focus with it.
  $("taken-title").focus();
}

/** @param {boolean} changes whether this operator may change anything */
export function wireTaken(changes) {
  mayChange = changes;
  $("taken-more").addEventListener("click", more);
  if (changes) {
    $("back-reason").addEventListener("input", () => { $("back-yes").disabled = !$("back-reason").value.trim(); });
    $("back-dialog").addEventListener("close", giveBack);
  }
  listTaken();
}
