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
  const field = /** @type {any} */ (form.querySelector(`[name="${CSS.escape(name)}"], #${CSS.escape(name)}`));
  if (!field?.id || field.disabled || field.type === "hidden" || field.closest("[hidden]")) return false;
  clearField(field);
  const words = Object.assign(document.createElement("span"), { className: "problem at-field", id: `${field.id}-problem`, textContent: problem });
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
