import { countdown, within } from "./clock.js";
import { say, sayN } from "./words.js";
import { announce, drawClock, drawHoldClock, spellItems, withdraw } from "./checkout-view.js";

/** Seconds before a deadline at which the page warns of it, once each. */
const MARKS = [20, 60];

/** Seconds to count where the server's answer has no number of them; the page asks again after these. */
const UNKNOWN_S = 30;

/** @type {Map<string, () => number>} */
const clocks = new Map();
/** The last warning that was given of each deadline, in seconds before it. @type {Map<string, number>} */
const warned = new Map();

/** Set the clock of a hold, or of the session, by the server's answer. @param {string} id @param {number} seconds */
export function wind(id, seconds) {
  // The page warns again of a deadline that was moved.
  if (seconds > left(id) + 1) unwarn(id);
  clocks.set(id, countdown(within(seconds, 0, Infinity, UNKNOWN_S)));
}

/** @param {string} id @returns {number} seconds */
export const left = (id) => clocks.get(id)?.() ?? 0;

/** Take back a warning that no longer holds. @param {string} id */
function unwarn(id) { if (warned.delete(id)) withdraw(id); }

/** @param {string} id @param {(mark: number) => string} told */
function warn(id, told) {
  const seconds = left(id), mark = MARKS.find((at) => seconds <= at);
  if (!mark || seconds <= 0 || (warned.get(id) ?? Infinity) <= mark) return;
  warned.set(id, mark);
  announce(told(mark), id);
}

/** Show every clock, and warn in time. @param {any} session @returns {number} seconds to the next deadline */
export function tick(session) {
  const waiting = session.waiting_for.length > 0;
  let next = Infinity;
  for (const id of [...warned.keys()]) if (id !== "session" && !session.holds.some((hold) => hold.hold_id === id && hold.state !== "paying")) unwarn(id);
  for (const hold of session.holds) {
    const paying = hold.state === "paying";
    drawHoldClock(hold.hold_id, paying ? null : left(hold.hold_id));
    if (paying) continue;
    next = Math.min(next, left(hold.hold_id));
    warn(hold.hold_id, (mark) => [sayN(mark, "Less than {n} second left for {items}.", "Less than {n} seconds left for {items}.", { items: spellItems(hold.items) }), hold.extensions_left ? say("You can extend the time.") : ""].join(" ").trim());
  }
  const held = session.holds.length > 0;
  if (next === Infinity) next = left("session");
  drawClock(next, held, waiting);
  // A wish can come true only while the session lasts.
  if (waiting) warn("session", (mark) => sayN(mark, "Less than {n} second left in this session, and for your place in this line. You can stay in line for returns.", "Less than {n} seconds left in this session, and for your place in this line. You can stay in line for returns."));
  else if (!held) warn("session", (mark) => sayN(mark, "Less than {n} second left.", "Less than {n} seconds left."));
  else unwarn("session");
  return next;
}
