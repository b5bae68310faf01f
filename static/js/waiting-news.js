import { timeOfDay } from "./format.js";

/** A sentence is left to a screen reader for as long as it takes to say it, within these bounds. */
const SPOKEN_MIN_MS = 1500, SPOKEN_SIGN_MS = 60, SPOKEN_MAX_MS = 6000;
/** Old news is no news: the region is emptied, and a result is taken from the page, after these times. */
const HEARD_MS = 30_000, SHOWN_MS = 120_000;
const SHOWN_MAX = 3;

const region = document.getElementById("status"), box = document.getElementById("notice");
/** @type {string[]} */
const due = [];
let busy = false, timer = 0;

/** Say the next sentence; each stands until it is said, and none is blanked by another. */
function next() {
  clearTimeout(timer);
  const text = due.shift();
  busy = text !== undefined;
  if (busy) region.textContent = text;
  timer = setTimeout(busy ? next : () => { region.textContent = ""; }, busy ? Math.min(SPOKEN_MIN_MS + SPOKEN_SIGN_MS * text.length, SPOKEN_MAX_MS) : HEARD_MS);
}

/** Say a sentence to screen readers, in its turn. @param {string} text @param {boolean} [first] whether it comes before the others that wait */
export function speak(text, first = false) {
  if (!text || due.includes(text) || region.textContent === text) return;
  if (first) due.unshift(text);
  else due.push(text);
  if (!busy) next();
}

/**
 * Show a sentence that asks for an act or tells the result of one, with its time, and say it. A later one
 * about the same takes its place. @param {string} text @param {string} [about] for withdraw @param {boolean} [stays] until then; others go by themselves
 */
export function tell(text, about = "", stays = false) {
  if (!text) return;
  withdraw(about);
  const line = document.createElement("p"), at = Object.assign(document.createElement("time"), { textContent: timeOfDay(new Date().toISOString()) });
  line.dataset.about = about;
  line.append(at, " ", text);
  box.append(line);
  while (box.children.length > SHOWN_MAX) box.firstElementChild.remove();
  if (!stays) setTimeout(() => line.remove(), SHOWN_MS);
  speak(text);
}

/** Take back what is over. @param {string} about */
export function withdraw(about) {
  for (const line of [...box.children]) if ((line.dataset.about ?? "") === about) line.remove();
}

// A refusal that the server wrote is shown like all others from now on.
if (region.className !== "heard") box.append(Object.assign(document.createElement("p"), { textContent: region.textContent }));
region.className = "heard";
