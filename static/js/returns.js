import { ask, NoAnswer } from "./api.js";

// Staying in line for returns, on the waiting page and at the checkout (static/templates/returns.html).

/** @param {string} id */
const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** @param {boolean} stays @param {string | null} [email] */
function draw(stays, email) {
  $("returns-form").hidden = stays;
  $("no-returns-form").hidden = !stays;
  if (email !== undefined) $("returns-told").textContent = email ? `When you are called we write to ${email}.` : "Look in now and then: nobody writes to you.";
}

/** @param {(text: string) => void} announce @returns {(stays: boolean) => void} shows whether the ticket stays */
export function wireReturns(announce) {
  const box = $("returns");
  box.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const stay = event.target === $("returns-form"), button = event.submitter ?? event.target.querySelector("button");
    const email = $("returns-email")?.value.trim() || null;
    button.disabled = true;
    try {
      const { ok, data } = await ask(stay ? "PUT" : "DELETE", box.dataset.url, stay ? { body: { email } } : {});
      if (ok) draw(stay, stay ? data.email : null);
      announce(!ok ? data?.detail ?? "That did not work." : stay ? "You stay in line for returns." : "You no longer stay in line for returns.");
      if (ok) $(stay ? "returns-leave" : "returns-stay").focus();
    } catch (error) { announce(`${error.message} Please try again in a moment.`); }
    button.disabled = false;
  });
  return draw;
}

/** Bring the form onto the waiting page, if the server did not write it there, and wire it. @param {HTMLElement} section @param {(text: string) => void} announce */
export async function openReturns(section, announce) {
  if (!$("returns")) {
    const part = await fetchPart(location.pathname);
    if (!part) throw new NoAnswer("There is nothing to stay for right now.");
    section.replaceChildren(part);
    part.querySelector("form:not([hidden]) :is(input:not([type=hidden]), button)")?.focus();
  }
  return wireReturns(announce);
}

/** @param {string} url */
async function fetchPart(url) {
  try {
    const reply = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) });
    return reply.ok ? new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("returns") : null;
  } catch { throw new NoAnswer("The network did not answer."); }
}
