import { $, refuse } from "./api.js";
import { digitsOf, minorOf, money } from "../money.js";
import { mayRead, readMoment, setMoment, watchMoment } from "../moment.js";

/** The currency in which the room sells. */
const CURRENCY = $("goods").dataset.currency;
const WHOLES = ["limit_per_order", "limit_per_session", "limit_per_customer", "low_at"];
const MOMENTS = ["on_sale_from", "on_sale_until"];
/** What an empty field stands for; all others mean no bound. */
const DEFAULTS = { limit_per_session: 4, low_at: 0 };

/** @param {number} minor */
export const priceOf = (minor) => money(minor, CURRENCY);

/** @param {HTMLFormElement} form @param {string} name @returns {any} */
export const field = (form, name) => form.querySelector(`[name="${name}"]`);

/** @param {HTMLFormElement} form @param {string} name */
export const textOf = (form, name) => field(form, name)?.value.trim() ?? "";

/** Bound the times of sale of a form, and say their offset. @param {HTMLFormElement} form */
export function watchTimes(form) {
  for (const name of MOMENTS) watchMoment(field(form, name));
}

/**
 * Read the price, limits and times of a form; null after saying at its field what cannot be read.
 * @param {HTMLFormElement} form @param {string} at the name of the place for its outcome @returns {any}
 */
export function readSku(form, at) {
  const price_minor = minorOf(field(form, "price_minor").value, CURRENCY);
  if (price_minor == null) return void refuse(at, "price_minor", `Type a price such as ${plain(1250)}, in digits.`);
  for (const name of MOMENTS) if (field(form, name).closest("details:not([open])") && !field(form, name).checkValidity()) field(form, name).closest("details").open = true;
  if (!mayRead(...MOMENTS.map((name) => field(form, name)))) return null;
  const body = { price_minor };
  for (const name of WHOLES) body[name] = field(form, name).value ? Number(field(form, name).value) : DEFAULTS[name] ?? null;
  for (const name of MOMENTS) body[name] = readMoment(field(form, name)) || null;
  if (field(form, "picture")) body.picture = field(form, "picture").value;
  return body;
}

/** @param {HTMLFormElement} form @param {any} sku */
export function fillSku(form, sku) {
  field(form, "price_minor").value = plain(sku.price_minor);
  for (const name of WHOLES) field(form, name).value = sku[name] ?? "";
  for (const name of MOMENTS) setMoment(field(form, name), sku[name]);
}

/** Return an amount as it is typed, without the currency. @param {number} minor */
export const plain = (minor) => (minor / 10 ** digitsOf(CURRENCY)).toFixed(digitsOf(CURRENCY));

/** Make a code of a name: letters and digits that every address takes, and hyphens. @param {string} name */
export const codeOf = (name) => name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 63);

/** Suggest a code while the name is typed, until someone types a code. @param {any} name @param {any} code @param {() => string} [before] */
export function suggestCode(name, code, before = () => "") {
  const suggested = () => codeOf(before() + name.value);
  code.addEventListener("input", () => { code.dataset.own = code.value ? "1" : ""; });
  name.addEventListener("input", () => { if (!code.dataset.own) code.value = suggested(); });
  code.form.addEventListener("reset", () => { code.dataset.own = ""; });
}
