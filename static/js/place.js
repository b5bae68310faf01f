import { band, count, plural } from "./format.js";

/**
 * @typedef {Record<"place" | "wait_low_s" | "wait_high_s" | "chance" | "poll_s", number | null>} Row
 * @typedef {{place: number, low: number | null, high: number | null, chance: number | null, poll: number, rate?: number}} Estimate rate: calls a minute
 */

/** Linear between two rows, the outer row beyond them. @param {Row[]} table @param {number} place @returns {Estimate} */
export function estimate(table, place) {
  const above = table.findIndex((row) => row.place >= place);
  const b = table.at(above), a = above > 0 ? table[above - 1] : b;
  const t = b && a && b.place > a.place ? (place - a.place) / (b.place - a.place) : 0;
  /** @param {keyof Row} name */
  const at = (name) => (a?.[name] == null || b?.[name] == null ? null : a[name] + (b[name] - a[name]) * t);
  return { place, low: at("wait_low_s"), high: at("wait_high_s"), chance: at("chance"), poll: at("poll_s") ?? 5 };
}

/** Why the wait went up by a tenth and a minute, or "". @param {Estimate} was @param {Estimate} now */
export function whyLonger(was, now) {
  if (was.high == null || now.high == null || now.high < was.high * 1.1 || now.high < was.high + 60) return "";
  return now.rate < was.rate
    ? `The wait went up because people are called more slowly now: about ${count(Math.round(now.rate))} a minute, before that ${count(Math.round(was.rate))}.`
    : "The wait went up: checkout is taking longer than we expected. Your place has not changed.";
}

/** What is worth announcing since the last time, or "". @param {Estimate | null} said @param {Estimate} now */
export function milestone(said, now) {
  if (!said) return `You are in line. ${now.place ? `Your place is ${count(now.place)}` : "You are next"}. Wait: ${band(now.low, now.high).toLowerCase()}.`;
  if (now.place <= 5 && said.place > 5) return `Nearly there: ${plural(now.place, "place")} to go.`;
  if (now.place <= said.place / 2) return `Half of the people ahead have gone. Your place is ${count(now.place)}.`;
  if (said.high == null || now.high == null) return "";
  const change = Math.abs(now.high - said.high);
  return change > 60 && change > said.high / 10 ? `The wait is now ${band(now.low, now.high).toLowerCase()}.` : "";
}
