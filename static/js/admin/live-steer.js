import { $, admin, inRoom, tell } from "./api.js";
import { count, plural, spell, timeOfDay } from "../format.js";

const FORESEEN_MAX_S = 365 * 86_400;

/** @type {any} */
let shown = null;
let touched = false, messageTouched = false;

/** Show the settings, but never overwrite the operator's typing. @param {any} now */
export function drawSettings(now) {
  shown = now;
  if (!touched) {
    setPair("seats", now.settings.seats_max);
    setPair("rate", now.settings.calls_per_minute);
  }
  if (!messageTouched) $("message").value = now.message ?? "";
  $("forecast").textContent = forecast();
}

/** @param {"seats" | "rate"} id @param {number | null} value */
function setPair(id, value) {
  const range = $(`${id}-range`);
  if (value != null && value > Number(range.max)) range.max = String(value * 2);
  range.value = String(value ?? range.max);
  $(id).value = value ?? "";
}

const wanted = () => ({ seats_max: Number($("seats").value), calls_per_minute: $("rate").value === "" ? null : Number($("rate").value) });

/** Return the effect that these settings would have, in one sentence. @returns {string} */
function forecast() {
  if (!shown) return "";
  const { figures: f, settings } = shown;
  const { seats_max: seats, calls_per_minute: limit } = wanted();
  if (!f.waiting) return "No one is waiting.";
  if (!(seats > 0) || (limit != null && !(limit > 0))) return `No one would be called: ${plural(f.waiting, "person stays", "people stay")} in line.`;
  // Little's law: the pace that the seats allow grows with their number, from the pace measured now.
  const bySeats = f.seats_taken && f.calls_per_min ? f.calls_per_min * seats / Math.max(f.seats_taken, 1) : Infinity;
  const pace = Math.min(limit ?? Infinity, bySeats);
  const spare = (f.available ?? 0) + (f.promised ?? 0) + (f.held ?? 0);
  const units = settings.units_promised || 1;
  const reach = Math.floor(spare / units);
  const stock = f.on_hand && reach < f.waiting ? ` Stock may reach about ${plural(reach, "person", "people")} of ${count(f.waiting)}.` : "";
  if (pace === Infinity) return `Only the ${plural(seats, "seat")} limit the calls; the pace is not known yet.${stock}`;
  const needed = f.waiting / pace * 60;
  // A date ends some hundred thousand years from now, and a very low rate would go beyond.
  if (!(needed < FORESEEN_MAX_S)) return `At that pace, the ${count(f.waiting)} waiting would not all be called within a year.${stock}`;
  return `At about ${plural(Math.round(pace), "call")} a minute, the ${count(f.waiting)} waiting would all be called in ${spell(needed)}, by ${timeOfDay(new Date(Date.now() + needed * 1000).toISOString())}.${stock}`;
}

/** @param {(room: any) => void} draw */
export function wireSteering(draw) {
  for (const id of ["seats", "rate"]) {
    const follow = (from, to) => $(from).addEventListener("input", () => {
      touched = true;
      $(to).value = $(from).value;
      $("forecast").textContent = forecast();
    });
    follow(id, `${id}-range`);
    follow(`${id}-range`, id);
  }
  $("message").addEventListener("input", () => { messageTouched = true; });
  onSubmit("steer-form", async () => {
    const now = await tell(() => admin("PATCH", inRoom(), wanted()), "The settings were applied.", "steer");
    if (now) { touched = false; draw(now); }
  });
  onSubmit("message-form", async () => {
    const now = await tell(() => admin("PATCH", inRoom(), { message: $("message").value.trim() }), "The message is published.", "message");
    if (now) { messageTouched = false; draw(now); }
  });
}

/** @param {string} id @param {() => Promise<void>} act */
function onSubmit(id, act) {
  $(id).addEventListener("submit", (event) => { event.preventDefault(); act(); });
}
