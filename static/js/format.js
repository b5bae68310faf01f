const lang = document.documentElement.lang || "en";
const numbers = new Intl.NumberFormat(lang);

/** @param {number} n */
export const count = (n) => numbers.format(n);

/** "1 item", "3 items". @param {number} n @param {string} one @param {string} [many] */
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
  if (seconds < 55) return plural(Math.round(seconds), "second");
  if (minutes < 90) return plural(minutes, "minute");
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Return a wait as a range. @param {number | null} low @param {number | null} high */
export function band(low, high) {
  if (low == null || high == null) return "Not known yet";
  if (high < 60) return "Less than a minute";
  const from = Math.max(1, Math.round(low / 60)), to = Math.max(1, Math.ceil(high / 60));
  if (from >= to) return `About ${spell(to * 60)}`;
  return to < 90 ? `Between ${from} and ${to} minutes` : `Between ${spell(low)} and ${spell(high)}`;
}

/** @type {[number, string][]} */
const ODDS = [[0.97, "Almost certain"], [0.8, "Very likely"], [0.6, "Likely"], [0.4, "About even"], [0.2, "Unlikely"], [0.03, "Very unlikely"], [0, "Next to none"]];

/** Return a chance in a word and in percent, as waitroom/web/view.py does. @param {number | null | undefined} chance */
export function odds(chance) {
  if (chance == null) return "Not known yet";
  const word = ODDS.find(([least]) => chance >= least)?.[1];
  if (chance > 0.99) return `${word}, over 99 %`;
  return chance < 0.01 ? `${word}, under 1 %` : `${word}, ${Math.round(chance * 100)} %`;
}

const today = (at) => at.toDateString() === new Date().toDateString();

/** Return the local time of day, with the day where it is not today. @param {string} iso */
export function timeOfDay(iso) {
  const at = new Date(iso), day = today(at) ? {} : { weekday: "short", day: "numeric", month: "short" };
  return at.toLocaleString(lang, { ...day, hour: "2-digit", minute: "2-digit" });
}

/** Return the same for use in a sentence. @param {string} iso */
export const when = (iso) => `${today(new Date(iso)) ? "at" : "on"} ${timeOfDay(iso)}`;
