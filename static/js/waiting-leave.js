import { ask } from "./api.js";
import { say } from "./words.js";

/** @param {boolean} draws whether it is a draw's entry that would be given up */
const asks = (draws) => `<form method="dialog"><h2 id="leave-title">${draws ? say("Leave the draw?") : say("Leave the line?")}</h2>
<p>${draws ? say("Your entry is given up. You can enter again until the draw is made.") : say("Your place goes to the people behind you and cannot be given back.")}</p>
<p class="row"><button class="button" value="stay" autofocus>${draws ? say("Keep my entry") : say("Keep my place")}</button> <button class="plain" value="leave" id="leave-yes">${say("Leave")}</button></p></form>`;

/** @param {boolean} draws @returns {Promise<boolean>} whether the shopper confirms it */
function sure(draws) {
  const dialog = Object.assign(document.createElement("dialog"), { id: "leave-dialog", innerHTML: asks(draws) });
  dialog.setAttribute("aria-labelledby", "leave-title");
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => { dialog.remove(); done(dialog.returnValue === "leave"); }));
}

/** Give the place up, if the shopper confirms it. @param {string} url the ticket's @param {(text: string) => void} tell @param {boolean} draws @returns {Promise<boolean>} */
export async function leave(url, tell, draws) {
  if (!await sure(draws)) return false;
  const still = draws ? say("You are still in the draw.") : say("You are still in line.");
  try {
    const { ok, data } = await ask("DELETE", url);
    if (!ok) tell(`${data?.detail ?? ""} ${still}`);
    return ok;
  } catch (error) {
    tell(`${error.message} ${still}`);
    return false;
  }
}
