const lang = document.documentElement.lang || "en";

/** @param {number} minor @param {string} currency */
export function money(minor, currency) {
  const format = new Intl.NumberFormat(lang, { style: "currency", currency });
  return format.format(minor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}
