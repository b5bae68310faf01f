import { $, tableRow } from "./api.js";

/** The data behind each part: the same data again leaves the part alone. @type {Map<string, string>} */
const drawn = new Map();

/** @param {string} id @param {any} data @returns {boolean} whether it has to be drawn */
export function isNew(id, data) {
  const text = JSON.stringify(data);
  if (drawn.get(id) === text) return false;
  drawn.set(id, text);
  return true;
}

/**
 * Return a row that a narrow window shows as a card, with the head of its column before each cell. The roles
 * stand there since another `display` takes a table's meaning away in some browsers.
 * @param {HTMLElement} body of the table @param {(string | Node)[]} cells
 */
export function stackedRow(body, cells) {
  const row = tableRow(cells), heads = body.closest("table")?.tHead?.rows[0].cells ?? [];
  row.setAttribute("role", "row");
  [...row.children].forEach((cell, i) => {
    cell.setAttribute("role", i ? "cell" : "rowheader");
    cell.setAttribute("data-head", heads[i]?.textContent ?? "");
  });
  return row;
}

/** Replace rows and keep the focus where it was. @param {string} id @param {Node[]} rows */
export function fill(id, rows) {
  const key = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
  $(id).replaceChildren(...rows);
  if (key) /** @type {HTMLElement | null} */ (document.querySelector(`[data-key="${CSS.escape(key)}"]`))?.focus();
}

/** @param {string} text @param {string} key its name among others @param {() => void} act @param {string} [label] */
export function button(text, key, act, label = "") {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  made.dataset.key = key;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

/** Write pairs of name and value, without the empty ones. @param {[string, string | Node][]} pairs */
export const facts = (pairs) => pairs.filter(([, said]) => said).map(([name, said]) => {
  const box = document.createElement("div"), word = document.createElement("dd");
  word.append(said);
  box.append(Object.assign(document.createElement("dt"), { textContent: name }), word);
  return box;
});

/** Offer these choices, and keep the chosen one while it is among them. @param {string} id @param {[string, string][]} choices */
export function offer(id, choices) {
  if (!$(id) || !isNew(`options of ${id}`, choices)) return;
  const kept = $(id).value;
  $(id).replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
  if (choices.some(([value]) => value === kept)) $(id).value = kept;
}

/** Write a text if it has changed: a screen reader reads a text again when it is written again. @param {string} id @param {string} text */
export function say(id, text) {
  if ($(id) && $(id).textContent !== text) $(id).textContent = text;
}
