import { count, locale, say, sayN } from "./words.js";

export { count };

/** "1 item", "3 items", on pages that are in English alone. @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) =>
  `${count(n)} ${n === 1 ? one : many}`;

/** Return minutes and seconds, "4:05". @param {number} seconds */
export function mmss(seconds) {
  const s = Math.ceil(seconds);
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

/** Return a length of time in words. @param {number} seconds */
export function spell(seconds) {
  const minutes = Math.round(seconds / 60);
  if (seconds < 55) return sayN(Math.round(seconds), "{n} second", "{n} seconds");
  if (minutes < 90) return sayN(minutes, "{n} minute", "{n} minutes");
  return say("{hours} h {minutes} min", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

/** Return a wait as a range. @param {number | null} low @param {number | null} high */
export function band(low, high) {
  if (low == null || high == null) return say("Not known yet");
  if (high < 60) return say("Less than a minute");
  const from = Math.max(1, Math.round(low / 60)), to = Math.max(1, Math.ceil(high / 60));
  if (from >= to) return say("About {duration}", { duration: spell(to * 60) });
  return to < 90 ? sayN(to, "Between {low} and {n} minute", "Between {low} and {n} minutes", { low: from })
    : say("Between {low} and {high}", { low: spell(low), high: spell(high) });
}

/** A place with a smaller chance has no wait, as in waitroom/line/wait.py. */
const CHANCE_LEAST = 0.02;

/** Return a wait in words, or that the stock will hardly last until then. @param {{low: number | null, high: number | null, chance: number | null}} now @param {any} doc the state document */
export function waitOf({ low, high, chance }, doc) {
  // Nothing tells when the organiser lets people in again.
  if (doc.status === "open" && doc.admits === false) return band(null, null);
  const unreached = high == null && doc.has_stock && chance != null && chance < CHANCE_LEAST && ["open", "paused"].includes(doc.status);
  return unreached ? say("Probably not reached") : band(low, high);
}

/** @type {[number, string][]} */
const ODDS = [[0.97, say("Almost certain")], [0.8, say("Very likely")], [0.6, say("Likely")], [0.4, say("About even")], [0.2, say("Unlikely")], [0.03, say("Very unlikely")], [0, say("Next to none")]];

/** Return a chance in a word and in percent, as waitroom/web/waiting/view.py does. @param {number | null | undefined} chance */
export function odds(chance) {
  if (chance == null) return say("Not known yet");
  const word = ODDS.find(([least]) => chance >= least)?.[1];
  if (chance > 0.99) return say("{word}, over {percent} %", { word, percent: 99 });
  return chance < 0.01 ? say("{word}, under {percent} %", { word, percent: 1 }) : say("{word}, {percent} %", { word, percent: Math.round(chance * 100) });
}

const today = (at) => at.toDateString() === new Date().toDateString();

/** Return the local time of day, with the day where it is not today. @param {string} iso */
export function timeOfDay(iso) {
  const at = new Date(iso), day = today(at) ? {} : { weekday: "short", day: "numeric", month: "short" };
  return at.toLocaleString(locale, { ...day, hour: "2-digit", minute: "2-digit" });
}

/** Return the same for use in a sentence. @param {string} iso */
export const when = (iso) => (today(new Date(iso)) ? say("at {time} your time", { time: timeOfDay(iso) }) : say("on {day} your time", { day: timeOfDay(iso) }));
