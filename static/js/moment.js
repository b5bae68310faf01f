const lang = document.documentElement.lang || "en";

/** Return a moment as people write it. @param {string} iso */
export const momentOf = (iso) => new Date(iso).toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" });

/** Return the value of a local date and time field as a moment for the server; "" for none. @param {string} local */
export const toMoment = (local) => (local ? new Date(local).toISOString() : "");

/** Return a moment as such a field takes it, in local time. @param {string | Date} moment */
export function toField(moment) {
  const at = new Date(moment);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
