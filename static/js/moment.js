import { locale } from "./words.js";

const DAY_MS = 86_400_000, MINUTE_MS = 60_000;
/** The server's bounds (inventory/kit/doors/moments.py). */
const YEAR_FIRST = 2000, YEAR_LAST = 2199;

/**
 * The moment that a field was given, with the text that it then had. The text leaves out seconds, and at
 * the end of summer time two moments have the same text.
 * @type {WeakMap<HTMLInputElement, {text: string, moment: string, offset: number}>}
 */
const given = new WeakMap();

/** Return a moment as people write it. @param {string} iso */
export const momentOf = (iso) => new Date(iso).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });

/** Return the day of a moment as people write it, with its name. @param {string} iso */
export const dayOf = (iso) => new Date(iso).toLocaleDateString(locale, { dateStyle: "full" });

/** Return the clock of a moment, in milliseconds of the Unix clock or as text. @param {number | string} at */
export const clockOf = (at, withSeconds = false) =>
  new Date(at).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", ...(withSeconds && { second: "2-digit" }) });

/** Write the moments in a sentence of the record, which names UTC, in the zone of this browser. @param {string} sentence */
export const inZoneHere = (sentence) => sentence.replace(/\b\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(:\d\d)? UTC\b/g, momentOf);

/** @param {number} n @param {number} [digits] */
const pad = (n, digits = 2) => String(n).padStart(digits, "0");

/** Return a moment as a date and time field takes it, in local time; "" for nonsense. @param {Date} at */
const textOf = (at) => (Number.isNaN(at.getTime()) ? ""
  : `${pad(at.getFullYear(), 4)}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${pad(at.getHours())}:${pad(at.getMinutes())}`);

/** Return the offset as people write it, "UTC+1" or "UTC−3:30". @param {Date} at */
function zoneOf(at) {
  const ahead = -at.getTimezoneOffset(), size = Math.abs(ahead), rest = size % 60;
  return `UTC${ahead ? (ahead < 0 ? "−" : "+") + Math.floor(size / 60) : ""}${rest ? `:${pad(rest)}` : ""}`;
}

/** Return the time zone of this browser and its present offset, "Europe/Berlin, now UTC+1". */
export const zoneHere = () => `${Intl.DateTimeFormat().resolvedOptions().timeZone}, now ${zoneOf(new Date())}`;

/**
 * Return the moments at which the clocks here show a text, in order: none in the hour that they skip in
 * spring, and two in the hour that they repeat in autumn. @param {string} text @returns {Date[]}
 */
function momentsAt(text) {
  const utc = Date.parse(`${text}Z`);
  const offsets = new Set([utc - DAY_MS, utc + DAY_MS].map((near) => new Date(near).getTimezoneOffset()));
  return [...offsets].map((offset) => new Date(utc + offset * MINUTE_MS))
    .filter((at) => textOf(at) === text.slice(0, 16)).sort((a, b) => a.getTime() - b.getTime());
}

/** Read a field: its moment, or the problem with it. @param {HTMLInputElement} field @returns {{at?: Date, moment?: string, problem?: string, others?: Date[]}} */
function read(field) {
  if (field.validity.badInput) return { problem: "This date or time is incomplete or does not exist." };
  const text = field.value, was = given.get(field), year = Number(text.split("-")[0]);
  if (!text) return { moment: "" };
  if (year < YEAR_FIRST || year > YEAR_LAST) return { problem: `Choose a date in the years ${YEAR_FIRST} to ${YEAR_LAST}.` };
  const found = momentsAt(text);
  const at = found.find((one) => one.getTimezoneOffset() === was?.offset) ?? found[0];
  if (!at) return { problem: `There is no ${text.slice(11, 16)} on this day: the clocks go forward and skip it. Choose another time.` };
  return { at, moment: was?.text === text ? was.moment : at.toISOString(), others: found.filter((one) => one !== at) };
}

/** Say beside a field which offset it has, or what is wrong with it. @param {HTMLInputElement} field */
function tell(field) {
  const { at, problem = "", others = [] } = read(field), clock = field.value.slice(11, 16);
  field.setCustomValidity(problem);
  const note = noteOf(field);
  const text = problem || (!at ? "" : others.length ? `${clock}, ${zoneOf(at)}. The clocks go back then, and ${clock} comes twice. ` : zoneOf(at));
  if (note.dataset.said === text) return;
  note.dataset.said = text;
  note.replaceChildren(text, ...others.map((other) => {
    const swap = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: `Use ${clock}, ${zoneOf(other)}` });
    swap.addEventListener("click", () => {
      setMoment(field, other);
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.focus();
    });
    return swap;
  }));
}

/** @param {HTMLInputElement} field @returns {HTMLElement} */
function noteOf(field) {
  const id = `${field.id}-zone`, there = document.getElementById(id);
  if (there) return there;
  const note = Object.assign(document.createElement("output"), { id, className: "small zone" });
  field.before(note);
  field.setAttribute("aria-describedby", [field.getAttribute("aria-describedby"), id].filter(Boolean).join(" "));
  return note;
}

/** Bound a date and time field, and say its offset or its problem while it is edited. @param {HTMLInputElement} field */
export function watchMoment(field) {
  [field.min, field.max] = [`${YEAR_FIRST}-01-01T00:00`, `${YEAR_LAST}-12-31T23:59`];
  for (const type of ["input", "change", "blur"]) field.addEventListener(type, () => tell(field));
}

/** Write a moment into a field; null or "" for none. @param {HTMLInputElement} field @param {string | Date | null} moment */
export function setMoment(field, moment) {
  const at = new Date(moment || NaN), text = textOf(at);
  const exact = !text ? "" : typeof moment === "string" ? moment : at.toISOString();
  // A field that is half typed has no text either, and is left alone.
  if (given.get(field)?.moment === exact && field.value === text) return;
  given.set(field, { text, moment: exact, offset: at.getTimezoneOffset() });
  if (field.value !== text) field.value = text;
  tell(field);
}

/**
 * Return the moment in a field for the server: the one that it was given if its text still stands, "" for
 * none, and null for a text that is no moment. @param {HTMLInputElement} field @returns {string | null}
 */
export const readMoment = (field) => read(field).moment ?? null;

/** Say whether all these fields can be sent, and lead to the first that cannot. @param {HTMLInputElement[]} fields */
export const mayRead = (...fields) => fields.every((field) => { tell(field); return field.reportValidity(); });
