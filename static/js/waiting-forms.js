import { whileBarred } from "./busy.js";
import { tell } from "./waiting-news.js";
import { say } from "./words.js";

/** Let the page's forms act without a reload. @param {Record<string, (form: HTMLFormElement) => any>} actions by the last part of a form's address */
export function wire(actions) {
  document.addEventListener("submit", async (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target), button = /** @type {HTMLButtonElement} */ (event.submitter);
    const does = actions[form.getAttribute("action")?.split("/").pop() ?? ""];
    if (!does || "plain" in form.dataset) return;
    event.preventDefault();
    try { await whileBarred(button, async () => does(form)); } catch (error) { tell(`${error.message} ${say("Please try again in a moment.")}`, "act"); }
  });
}
