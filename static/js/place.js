import { band, count, plural } from "./format.js";

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

/** Return the milestone to announce since the last one, or "". @param {Estimate | null} said @param {Estimate} now */
export function milestone(said, now) {
  if (!said) return `You are in line. ${now.place ? `Your place is ${count(now.place)}` : "You are next"}. Wait: ${band(now.low, now.high).toLowerCase()}.`;
  if (now.place <= 5 && said.place > 5) return `Nearly there: ${plural(now.place, "place")} to go.`;
  if (now.place <= said.place / 2) return `Half of the people ahead have gone. Your place is ${count(now.place)}.`;
  if (said.high == null || now.high == null) return "";
  const change = Math.abs(now.high - said.high);
  return change > 60 && change > said.high / 10 ? `The wait is now ${band(now.low, now.high).toLowerCase()}.` : "";
}
