/** Return how many of a hundred a share is, with every digit that is kept of it. @param {number} share */
export const ofHundred = (share) => Number((share * 100).toPrecision(6));

/**
 * Return a refusal's words as they stand at the field: without the way to the value in the request, or the name that it has there; of several lines with the number of the one.
 * @param {string} problem @returns {{words: string, line: number, member: string}}
 */
export function atField(problem) {
  const [, said, way = "", end = ""] = /^(.*?)(?: - at `\$([^`]*)`(\.?))?$/s.exec(problem) ?? ["", problem];
  const line = /\[(\d+)\]/.exec(way), words = `${said.replace(/^`\w+` has /, "It has ")}${end}`;
  return line ? { words: `Line ${Number(line[1]) + 1}: ${words}`, line: Number(line[1]), member: /\.(\w+)$/.exec(way)?.[1] ?? "" } : { words, line: 0, member: "" };
}

/** Clear what was said about a field. @param {any} field */
export function clearField(field) {
  document.getElementById(`${field.id}-problem`)?.remove();
  field.removeAttribute("aria-invalid");
  const others = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== `${field.id}-problem`);
  if (others.length) field.setAttribute("aria-describedby", others.join(" "));
  else field.removeAttribute("aria-describedby");
}

/**
 * Say beside a field why its value was refused, and lead to it; the next input clears the words.
 * @param {HTMLElement} near the place of the form's outcome @param {string} name of the field @param {string} problem
 * @returns {boolean} whether the form has such a field to write in
 */
export function markField(near, name, problem) {
  const form = near.closest("form, dialog, section") ?? document;
  const { words: said, line, member } = atField(problem);
  const found = form.querySelectorAll(`[name="${CSS.escape(name)}"], #${CSS.escape(name)}`), first = found[line] ?? found[0];
  // A line of several fields has the name on its first.
  const field = /** @type {any} */ (member && first?.closest("li")?.querySelector(`[name="${CSS.escape(member)}"]`) || first);
  if (!field?.id || field.disabled || field.type === "hidden" || field.closest("[hidden]")) return false;
  clearField(field);
  const words = Object.assign(document.createElement("span"), { className: "problem at-field", id: `${field.id}-problem`, textContent: said });
  words.setAttribute("role", "alert");
  field.after(words);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", [field.getAttribute("aria-describedby"), words.id].filter(Boolean).join(" "));
  field.addEventListener("input", () => clearField(field), { once: true });
  const box = field.closest("details");
  if (box) box.open = true;
  field.focus();
  return true;
}
