import { ask, addressOf } from "./api.js";
import { whileBarred } from "./busy.js";
import { say } from "./words.js";

// Shoppers stay in line for returns on the waiting page and at the checkout (static/templates/returns.html).

/** @param {string} id */
const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** @param {boolean} stays @param {string | null} [email] */
function draw(stays, email) {
  $("returns-form").hidden = stays;
  $("no-returns-form").hidden = !stays;
  if (email !== undefined) $("returns-told").textContent = email ? say("When you are called we write to {address}.", { address: email }) : say("Check back now and then: you will get no message.");
}

/** Let the forms work without reloading the page. @param {(text: string) => void} announce */
export function wireReturns(announce) {
  const box = $("returns");
  box.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const stay = event.target === $("returns-form"), button = event.submitter ?? event.target.querySelector("button");
    const email = $("returns-email")?.value.trim() || null;
    try {
      const { ok, data } = await whileBarred(button, () => ask(stay ? "PUT" : "DELETE", box.dataset.url, stay ? { body: { email } } : {}));
      if (ok) draw(stay, stay ? data.email : null);
      announce(!ok ? data?.detail ?? say("That did not work.") : stay ? say("You stay in line for returns.") : say("You no longer stay in line for returns."));
      if (ok) $(stay ? "returns-leave" : "returns-stay").focus();
    } catch (error) { announce(`${error.message} ${say("Please try again in a moment.")}`); }
  });
}

const STANDING = ["waiting", "missed", "over", "sold_out"], SELLING = ["open", "paused", "sold_out"];
let begun = false, seen = null;

/** Offer to stay on the waiting page, where nothing is free. @param {any} me the ticket @param {string} view @param {string} status @param {(text: string) => void} announce */
export function offer(me, view, status, announce) {
  const box = $("returns-box");
  box.hidden = !(me?.number && STANDING.includes(view) && SELLING.includes(status));
  if (!begun && !box.hidden) begin(box, announce);
  // The server's answer may be older than the last act on this page.
  if (me !== seen && me?.returns != null && $("returns")) draw(me.returns);
  seen = me;
}

/** Let the form work. A page without it gets a button that loads it, or all pages would load it at once. @param {HTMLElement} box @param {(text: string) => void} announce */
function begin(box, announce) {
  begun = true;
  if ($("returns")) return wireReturns(announce);
  const button = Object.assign(document.createElement("button"), { id: "returns-open", type: "button", textContent: say("Stay in line for returns") });
  button.addEventListener("click", async () => {
    const part = await whileBarred(button, () => fetchPart().catch(() => null));
    if (!part) return announce(say("That is not available right now. Please try again in a moment."));
    box.replaceChildren(part);
    part.querySelector("form:not([hidden]) :is(input:not([type=hidden]), button)").focus();
    wireReturns(announce);
  });
  box.append(button);
}

/** Load the form as the server writes it now, with the styles of its fields. @returns {Promise<HTMLElement | null>} */
async function fetchPart() {
  const reply = await fetch(location.pathname, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) });
  if (!reply.ok) return null;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: addressOf("/static/css/shop.css") }));
  return new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("returns");
}
