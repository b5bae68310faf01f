import { countdown } from "./clock.js";
import { say, sayN } from "./words.js";

const DAY_S = 86_400, BEFORE = ["scheduled", "before_opening"];
/** @param {string} id */
const $ = (id) => document.getElementById(id);
/** @param {string} id @param {string} text */
const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
let left = null, doors = false, shown = false;

/** Take the moment that comes next from the state document. @param {any} doc @param {number} age its age in seconds */
export function set(doc, age) {
  const opens = $("opening").dataset.doors, now = Date.parse(doc.updated_at) + age * 1000;
  doors = doc.status === "scheduled" && Date.parse(opens) > now;
  const at = doors ? Date.parse(opens) : Date.parse(doc.opens_at);
  shown = BEFORE.includes(doc.status) && at > 0;
  left = shown ? countdown((at - now) / 1000) : null;
  $("opening").hidden = !shown;
  beat();
}

/** Return hours, minutes and seconds, "1:04:05", or minutes and seconds. @param {number} seconds */
function clock(seconds) {
  const s = Math.ceil(seconds), parts = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60].slice(s < 3600 ? 1 : 0);
  return parts.map((part, at) => String(part).padStart(at ? 2 : 1, "0")).join(":");
}

/** Count down; waitroom/web/waiting/view.py says the same for browsers without a script. */
export function beat() {
  if (!left) return;
  const seconds = left(), time = clock(seconds);
  if (seconds >= 2 * DAY_S) {
    const days = Math.round(seconds / DAY_S);
    put("opens-in", doors ? sayN(days, "The doors open in {n} day", "The doors open in {n} days") : sayN(days, "Opens in {n} day", "Opens in {n} days"));
  } else put("opens-in", !seconds ? say("Opening now") : doors ? say("The doors open in {time}", { time }) : say("Opens in {time}", { time }));
}
