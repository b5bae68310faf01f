/** No place, hold or session lasts longer; it keeps nonsense from the screen. */
const COUNTED_MAX_S = 86_400 * 7;

/** Return a number that a server sent, within bounds, and another for one that is none. @param {unknown} sent @param {number} least @param {number} most @param {number} otherwise */
export const within = (sent, least, most, otherwise) =>
  (typeof sent !== "number" || Number.isNaN(sent) ? otherwise : Math.min(Math.max(sent, least), most));

/**
 * Return a function that tells the seconds since now, by the larger of two clocks: one stops while
 * the device sleeps, the other can be set back. @returns {() => number}
 */
export function stopwatch() {
  const wall = Date.now(), steady = performance.now();
  return () => Math.max(Date.now() - wall, performance.now() - steady) / 1000;
}

/** Count down from the server's seconds_left; from zero if it is no number. @param {number} seconds @returns {() => number} */
export function countdown(seconds) {
  const gone = stopwatch(), whole = within(seconds, 0, COUNTED_MAX_S, 0);
  return () => Math.max(0, whole - gone());
}

/** Return a document's age on arrival in seconds, by the server's own clock. @param {Headers} headers @param {string} written */
export const ageOf = (headers, written) =>
  Math.max(0, (Date.parse(headers.get("Date") ?? "") - Date.parse(written)) / 1000 || 0) + Math.max(0, Number(headers.get("Age")) || 0);

/** Bounds on the seconds between two looks, whatever an answer names: in general, and while it is the shopper's turn. */
const PAUSE_MIN_S = 0.5, PAUSE_MAX_S = 30;
export const TURN_PAUSE_S = 5;

/** Return the seconds until the next look by a server's poll_s. @param {unknown} sent */
export const usualPause = (sent) => within(sent, PAUSE_MIN_S, PAUSE_MAX_S, 5);

/**
 * Return the seconds to be quiet after failures in a row, as the server asked, and those until the next look.
 * @param {number} failures @param {unknown} wanted seconds @param {boolean} turn whether it is the shopper's turn
 */
export function pauseAfter(failures, wanted, turn) {
  const most = turn ? TURN_PAUSE_S : PAUSE_MAX_S, quiet = within(wanted, 0, most, 0);
  const growing = Math.min(most, 2 ** failures) * (0.5 + Math.random() / 2);
  return { quiet, next: Math.max(quiet * (1 + Math.random() / 5), growing, PAUSE_MIN_S) };
}
