import { mmss, odds, timeOfDay, waitOf, when } from "./format.js";
import { speak } from "./waiting-news.js";
import { count, say, sayN } from "./words.js";

export const BEFORE = ["scheduled", "before_opening"];
export const CALLS_NOBODY = ["sold_out", "ended"];

/** @param {string} id */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));
const { name, sells } = $("room").dataset;
const NEWS = {
  called: sells ? say("It is your turn. Press Enter the checkout.") : say("It is your turn. Press the button to enter."), missed: say("Your turn passed. You can come back."),
  claimed: sells ? say("You are through. Continue to checkout.") : say("You are through. You may go on."), sold_out: say("Everything is sold."), left: say("You left the line."), left_draw: say("You left the draw."),
  over: say("This ticket is used up"), ended: say("This room has ended. Thank you for coming."),
  entered: say("You are in the draw. It decides the order."), drawing: say("The entries are closed. The order is being drawn."),
  moved: say("Your place is on another device now."), revoked: say("The organiser took this place back."), lost: say("This browser has lost your ticket"), elsewhere: say("This ticket belongs to another browser"),
};
// The sentences for the room's states stand in the template, for browsers with and without a script.
export const said = (id, key) => $(id).dataset[key.replace(/_./g, (sign) => sign[1].toUpperCase())];

/** Write a text if it has changed. @param {string} id @param {string} text */
export function put(id, text) { if ($(id).textContent !== text) $(id).textContent = text; }

/** Say whether places are entries of a draw that is still to be made. @param {string} status */
export const isDrawing = (status) => BEFORE.includes(status) && $("room").dataset.order === "draw";

/**
 * Return the view to show; waitroom/web/waiting/view.py decides the same for browsers without a script.
 * @param {string} mine the ticket's state, or why there is none @param {string} status the room's
 */
export function viewOf(mine, status) {
  if (["none", "waiting", "entered", "aside"].includes(mine) && CALLS_NOBODY.includes(status)) return status;
  if (["lost", "elsewhere", "left", "over"].includes(mine) && status === "ended") return status;
  return mine === "entered" && !BEFORE.includes(status) ? "drawing" : mine;
}

/**
 * @param {string} view @param {boolean} acted whether the shopper did it, and reads of the result elsewhere
 * @param {boolean} turn whether the shopper has to act now
 */
export function show(view, acted, turn) {
  $("room").dataset.view = view;
  for (const part of document.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(view);
  if (!acted) speak(NEWS[view === "left" && isDrawing($("state-word").dataset.state) ? "left_draw" : view] ?? "", turn);
  if (acted || turn) (document.querySelector(`[data-for="${view}"] :is(button, a)`) ?? $("check")).focus({ preventScroll: true });
}

export function drawJoining() { put("join-title", say("Taking your place")); $("join").hidden = true; }

/** @param {any} me the ticket */
export function drawTicket(me) {
  const number = me?.number ?? me?.entry;
  $("stub").hidden = !number;
  $("for-returns").hidden = !me?.for_returns;
  $("behind").hidden = !me?.behind;
  if (!number) return;
  put("number-label", me.number ? say("Number") : say("Entry"));
  put("number", count(number));
  if (me.reference) put("reference", me.reference);
  for (const box of document.querySelectorAll('[id^="more-"]')) drawProfile(box, me.profile);
  $("aside-ahead").hidden = !!me.passed;
  $("aside-passed").hidden = !me.passed;
  if (me.grace_until) for (const at of document.querySelectorAll(".grace")) at.textContent = say("before {time}", { time: timeOfDay(me.grace_until) });
}

/** @param {Element} box @param {string | null | undefined} taken undefined where it is not known */
function drawProfile(box, taken) {
  if (taken === undefined || box.id !== `more-${taken ?? box.id.slice(5)}`) return;
  put("turn", taken ? box.dataset.turn : $("turn").dataset.usual);
  box.querySelector(".given").hidden = !taken;
  box.querySelector(".ask").hidden = !!taken;
  box.querySelector("summary").textContent = taken ? say("You have more time") : say("I need more time");
}

/** Show the place that the answer to a join tells, before the room's document has come. @param {number} place */
export function drawFirst(place) {
  put("place", place ? count(place) : say("Next"));
  put("people-ahead", place > 1 ? sayN(place - 1, "{n} person ahead of you", "{n} people ahead of you") : place ? say("No one is ahead of you") : say("You are called before anyone new."));
}

/** @param {import("./place.js").Estimate} now @param {number} first the place at joining @param {any} doc @param {string} why */
export function drawPlace(now, first, doc, why) {
  drawFirst(now.place);
  $("progress").value = first ? 1 - now.place / first : 1;
  $("moving").hidden = !($("starts").hidden = !BEFORE.includes(doc.status));
  put("wait", waitOf(now, doc));
  $("wait-note").hidden = now.high == null || doc.admits === false;
  put("chance", odds(now.chance));
  $("odds-note").hidden = !doc.has_stock || !(now.chance < 0.4);
  put("why", why);
  $("why").hidden = !why;
}

/** Return why no calls go out, or why the wait has grown, or "", as waitroom/web/waiting/view.py does. @param {any} doc */
export function reason(doc) {
  if (["paused", "drawing"].includes(doc.status)) return said("why", doc.status);
  if (doc.status === "open" && doc.admits === false) return said("why", "no_one_admitted");
  if (doc.status === "open" && doc.has_stock && !doc.available && (doc.held || doc.promised)) return stock(doc);
  return doc.wait_note ? said("why", doc.wait_note) ?? "" : "";
}

/** @param {any} doc the room's state document @param {any} [line] the ticket's @param {number} [entry] the ticket's, which may be newer */
export function drawRoom(doc, line = doc.lines[0], entry = 0) {
  put("state-word", said("state-word", doc.status) ?? doc.status);
  $("state-word").dataset.state = doc.status;
  const over = doc.status === "ended";
  $("message-box").hidden = over || !doc.message;
  put("message", doc.message ?? "");
  put("message-at", doc.message_at ? timeOfDay(doc.message_at) : "");
  $("stock-box").hidden = over || !doc.has_stock;
  put("stock", stock(doc));
  for (const at of document.querySelectorAll(".opens")) at.textContent = doc.opens_at ? when(doc.opens_at) : say("when the room opens");
  const entries = Math.max(line.entries, entry);
  put("entries", count(entries));
  put("drawn", sayN(entries, "{n} person came before the opening and gets a number.", "Each of the {n} who came before the opening gets a number."));
  $("draws").hidden = !($("exchange").hidden = doc.status === "drawing");
  put("leave", isDrawing(doc.status) ? say("Leave the draw") : say("Leave the line"));
  put("safe", isDrawing(doc.status) ? say("Your entry is safe") : say("Your place is safe"));
  if ($("room").dataset.view === "none") drawJoin(doc.status);
}

/** @param {string} status */
function drawJoin(status) {
  const soon = status === "scheduled", draws = isDrawing(status);
  put("join-title", soon ? say("Not open yet") : draws ? say("Take part in the draw") : say("Join the line"));
  put("join", draws ? say("Enter the draw") : say("Take a number"));
  $("join").hidden = soon;
}

/** Show the number that the draw gave, with the way to check it. @param {any} me the ticket @param {any} doc @param {any} line */
export function drawDrawn(me, doc, line) {
  const entries = line && !BEFORE.includes(doc.status) && $("room").dataset.order === "draw" ? line.entries : 0;
  $("drew").hidden = !(me?.number && me.number <= entries);
  if (!$("drew").hidden) put("drew-text", say("You drew {number} of {entries}.", { number: me.number, entries }));
}

/** @param {{status: string, available: number, held: number, promised?: number}} doc */
export function stock({ status, available, held, promised = 0 }) {
  if (available && held) return sayN(available, "{n} item left, {held} in baskets.", "{n} items left, {held} in baskets.", { held });
  if (available) return sayN(available, "{n} item left.", "{n} items left.");
  if (held && promised) return sayN(held, "{n} item is in another basket, {promised} set aside for people who were called, and none is free. If any comes back, the line moves on.", "{n} items are in other baskets, {promised} set aside for people who were called, and none is free. If any comes back, the line moves on.", { promised });
  if (held) return sayN(held, "{n} item is in another basket and none is free. If it comes back, the line moves on.", "{n} items are in other baskets and none is free. If any comes back, the line moves on.");
  if (promised) return sayN(promised, "{n} item is set aside for a person who was called, and none is free. If they do not take it, the line moves on.", "{n} items are set aside for people who were called, and none is free. If they do not take them, the line moves on.");
  return status === "sold_out" ? say("Everything is sold.") : say("Nothing is free right now.");
}

const TITLES = {
  called: say("Your turn"), claimed: say("You are through"), missed: say("Your turn passed"), sold_out: say("Sold out"), entered: say("In the draw"),
  drawing: say("Drawing"), aside: say("Stepped aside"), moved: say("Moved"),
};

/** @param {string} view @param {number | null} place @param {number | null} left @param {number} [age] */
export function tick(view, place, left, age) {
  if (age != null) put("updated", age < 90 ? sayN(Math.round(age), "{n} second ago", "{n} seconds ago") : sayN(Math.round(age / 60), "{n} minute ago", "{n} minutes ago"));
  if (view === "called" && left != null) { put("claim-label", say("Time left to enter:")); put("claim-left", mmss(left)); }
  const lead = TITLES[view]
    ?? (view === "waiting" && place != null ? (place ? count(place) : say("Next")) : "");
  document.title = view === "called" && left != null ? `${lead} ${mmss(left)} · ${name}` : lead ? `${lead} · ${name}` : name;
}

// The page has moments in UTC for all shoppers; the script shows them by this browser's clock.
for (const at of document.querySelectorAll("time[datetime]")) at.textContent = timeOfDay(at.dateTime);
