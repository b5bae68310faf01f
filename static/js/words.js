/** The page's language; the words of a script are English where the page carries no others. */
const page = document.documentElement.lang || "en";
/** @type {Record<string, string | string[]>} */
const words = JSON.parse(document.getElementById("words")?.textContent || "{}");
const rules = new Intl.PluralRules(page);

/**
 * The locale of numbers and times: that of the browser, if it is the page's language as spoken
 * somewhere. The digits are 0 to 9, as on the ticket and in the server's sentences.
 */
export const locale = `${navigator.languages?.find((tag) => tag === page || tag.startsWith(`${page}-`)) ?? page}-u-nu-latn`;

const numbers = new Intl.NumberFormat(locale, /** @type {any} */ ({ useGrouping: "always" }));

/** @param {number} n */
export const count = (n) => numbers.format(n);

/** @param {unknown} value */
function write(value) {
  const text = typeof value === "number" ? count(value) : String(value);
  // A value keeps its own direction between the two signs.
  return document.documentElement.dir === "rtl" ? `\u2068${text}\u2069` : text;
}

/** @param {string} text @param {Record<string, unknown>} values */
const fill = (text, values) => text.replace(/\{([a-z_]+)\}/g, (place, name) => (name in values ? write(values[name]) : place));

/** Say an English sentence in the page's language, with values in its places. @param {string} text @param {Record<string, unknown>} [values] */
export const say = (text, values = {}) => fill(String(words[text] ?? text), values);

/** Say the form of a sentence that fits a number; {n} in it is the number. @param {number} n @param {string} one @param {string} many @param {Record<string, unknown>} [values] */
export function sayN(n, one, many, values = {}) {
  const forms = words[one], at = words[""]?.indexOf(rules.select(n)) ?? -1;
  const text = !forms ? (n === 1 ? one : many) : Array.isArray(forms) ? forms.at(at) : forms;
  return fill(String(text), { n, ...values });
}
