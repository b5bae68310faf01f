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
