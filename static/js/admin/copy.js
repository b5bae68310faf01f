import { $ } from "./api.js";

/** Copy what a field has, and say whether that was done. @param {string} field @param {string} said the place of the words */
export async function copyField(field, said) {
  // On plain http no script may write to the clipboard; the field is selected for copying by hand.
  $(field).focus();
  $(field).select();
  const done = await navigator.clipboard?.writeText($(field).value).then(() => true, () => false);
  $(said).textContent = done ? "Copied." : "Your browser does not allow copying here. The text is selected: copy it by keyboard.";
}
