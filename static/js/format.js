const lang = document.documentElement.lang || "en";
const numbers = new Intl.NumberFormat(lang);

/** @param {number} n */
export const count = (n) => numbers.format(n);

/** "1 item", "3 items". @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) =>
  `${count(n)} ${n === 1 ? one : many}`;

/** Minutes and seconds, "4:05". @param {number} seconds */
export function mmss(seconds) {
  const s = Math.ceil(seconds);
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

/** A length of time in words. @param {number} seconds */
export function spell(seconds) {
  const minutes = Math.round(seconds / 60);
  if (seconds < 55) return plural(Math.round(seconds), "second");
  if (minutes < 90) return plural(minutes, "minute");
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A wait as a range. @param {number | null} low @param {number | null} high */
export function band(low, high) {
  if (low == null || high == null) return "Not known yet";
  if (high < 60) return "Less than a minute";
  const from = Math.max(1, Math.round(low / 60)), to = Math.max(1, Math.ceil(high / 60));
  if (from >= to) return `About ${spell(to * 60)}`;
  return to < 90 ? `${from} to ${to} minutes` : `${spell(low)} to ${spell(high)}`;
}

/** @param {number | null | undefined} chance */
export function odds(chance) {
  if (chance == null) return "Not known yet";
  if (chance > 0.99) return "Over 99 %";
  return chance < 0.01 ? "Under 1 %" : `${Math.round(chance * 100)} %`;
}

/** Local time of day. @param {string} iso */
export const timeOfDay = (iso) => new Date(iso).toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit" });
