import { locale } from "./words.js";

/** Most currencies have two digits behind the point; the server sends the number for all others. */
const COMMON_DIGITS = 2;
/** @type {Record<string, number>} */
const uncommon = JSON.parse(/** @type {HTMLMetaElement} */ (document.querySelector("meta[name=minor-digits]")).content);

/** @param {string} currency */
export const digitsOf = (currency) => uncommon[currency] ?? COMMON_DIGITS;

/** Return an amount in minor units as people write it. @param {number} minor @param {string} currency */
export function money(minor, currency) {
  const digits = digitsOf(currency);
  const form = { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale, /** @type {any} */ (form)).format(minor / 10 ** digits);
}

/**
 * Read an amount as people type it: digits, with a comma or a point before the smaller units.
 * The server reads amounts by the same rule. @param {string} text @param {string} currency
 * @returns {number | null} minor units
 */
export function minorOf(text, currency) {
  const digits = digitsOf(currency);
  const parts = /^([0-9]{1,13})(?:[.,]([0-9]{1,4}))?$/.exec(text.trim());
  if (!parts || (parts[2] ?? "").length > digits) return null;
  return Number(parts[1] + (parts[2] ?? "").padEnd(digits, "0"));
}
