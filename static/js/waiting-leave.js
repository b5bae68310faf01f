import { ask } from "./api.js";
import { say } from "./words.js";

const ASKS = `<form method="dialog"><h2 id="leave-title">${say("Leave the line?")}</h2>
<p>${say("Your place goes to the people behind you and cannot be given back.")}</p>
<p class="row"><button class="button" value="stay" autofocus>${say("Keep my place")}</button> <button class="plain" value="leave" id="leave-yes">${say("Leave")}</button></p></form>`;

/** @returns {Promise<boolean>} whether the shopper confirms it */
function sure() {
  const dialog = Object.assign(document.createElement("dialog"), { id: "leave-dialog", innerHTML: ASKS });
  dialog.setAttribute("aria-labelledby", "leave-title");
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => { dialog.remove(); done(dialog.returnValue === "leave"); }));
}

/** Give the place up, if the shopper confirms it. @param {string} url the ticket's @param {(text: string) => void} announce @returns {Promise<boolean>} */
export async function leave(url, announce) {
  if (!await sure()) return false;
  try {
    const { ok, data } = await ask("DELETE", url);
    if (!ok) announce(`${data?.detail ?? ""} ${say("You are still in line.")}`);
    return ok;
  } catch (error) {
    announce(`${error.message} ${say("You are still in line.")}`);
    return false;
  }
}
