import { waitOf } from "./format.js";
import { locale, say, sayN } from "./words.js";

/**
 * @typedef {Record<"place" | "wait_low_s" | "wait_high_s" | "chance" | "poll_s", number | null>} Row
 * @typedef {{place: number, low: number | null, high: number | null, chance: number | null, poll: number}} Estimate
 */

/** Interpolate between two rows; beyond the outer rows, return these. @param {Row[]} table @param {number} place @returns {Estimate} */
export function estimate(table, place) {
  const above = table.findIndex((row) => row.place >= place);
  const b = table.at(above), a = above > 0 ? table[above - 1] : b;
  const t = b && a && b.place > a.place ? (place - a.place) / (b.place - a.place) : 0;
  /** @param {keyof Row} name */
  const at = (name) => (a?.[name] == null || b?.[name] == null ? null : a[name] + (b[name] - a[name]) * t);
  return { place, low: at("wait_low_s"), high: at("wait_high_s"), chance: at("chance"), poll: at("poll_s") ?? 5 };
}

/** A difference within these bounds is not worth another figure, and a larger one has to last for a while. */
const SAME_SHARE = 0.15, SAME_S = 15, LASTS_S = 20;

/**
 * @typedef {{low: number | null, high: number | null, at: number, since: number | null}} Told
 * what is told of the wait, and since when another wait has been heard
 */

/**
 * Return what to tell of the wait: forecasts of one place differ from second to second, and a shopper who
 * reads them all can plan with none. A wait that runs down is told at once, as is one with a reason.
 * @param {Told | null} told @param {{low: number | null, high: number | null}} now @param {number} at seconds @param {boolean} [explained]
 * @returns {Told}
 */
export function damp(told, now, at, explained = false) {
  const anew = { low: now.low, high: now.high, at, since: null };
  if (!told || (told.high == null && now.high != null)) return anew;
  const shorter = now.high == null ? -Infinity : told.high - now.high;
  if (told.high === now.high) return { ...told, since: null };
  if (shorter > 0 && shorter <= 2 * (at - told.at) + SAME_S) return anew;
  if (shorter < 0 && -shorter <= Math.max(SAME_S, told.high * SAME_SHARE)) return { ...told, since: null };
  const since = told.since ?? at;
  return explained || at - since >= LASTS_S ? anew : { ...told, since };
}

/** Return a sentence as a part of another. @param {string} text */
const inside = (text) => text.slice(0, 1).toLocaleLowerCase(locale) + text.slice(1);

/** Return the milestone to announce since the last one, or "". @param {Estimate | null} said @param {Estimate} now @param {any} doc */
export function milestone(said, now, doc) {
  const { place } = now, wait = inside(waitOf(now, doc));
  if (!said && !place) return say("You are in line. You are next. Wait: {wait}.", { wait });
  if (!said) return say("You are in line. Your place is {place}. Wait: {wait}.", { place, wait });
  if (!place) return said.place ? say("You are called before anyone new.") : "";
  if (place <= 5 && said.place > 5) return sayN(place, "Nearly there: {n} place to go.", "Nearly there: {n} places to go.");
  if (place <= said.place / 2) return say("Half of the people ahead have gone. Your place is {place}.", { place });
  if (said.high == null || now.high == null) return "";
  const change = Math.abs(now.high - said.high);
  return change > 60 && change > said.high / 10 ? say("The wait is now {wait}.", { wait }) : "";
}
