import { $, admin, inRoom, tell } from "./api.js";
import { count, plural, spell, timeOfDay } from "../format.js";

const FORESEEN_MAX_S = 365 * 86_400;

/** @type {any} */
let shown = null;
let messageTouched = false;
/** The fields that were edited since the rules were applied. @type {Set<string>} */
const touched = new Set();

/** Show the settings, but never overwrite the operator's typing. @param {any} now */
export function drawSettings(now) {
  shown = now;
  if (!touched.has("seats")) setPair("seats", now.settings.seats_max);
  if (!touched.has("rate")) setPair("rate", now.settings.calls_per_minute);
  if (!touched.has("policy")) $("policy").value = now.policy;
  if (!touched.has("claim_window_s")) $("claim_window_s").value = now.settings.claim_window_s;
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

const wanted = () => ({ seats_max: Number($("seats").value), calls_per_minute: $("rate").value === "" ? null : Number($("rate").value), policy: $("policy").value, claim_window_s: Number($("claim_window_s").value) });

/** Return the wanted rules that differ from those of now: an untouched one stays as another operator may have made it. @returns {Record<string, any>} */
export function changedRules() {
  const now = shown && { ...shown.settings, policy: shown.policy };
  return Object.fromEntries(Object.entries(wanted()).filter(([name, value]) => now && value !== now[name]));
}

/** Return the effect that these settings would have, in one sentence. @returns {string} */
function forecast() {
  if (!shown) return "";
  const { figures: f, settings } = shown;
  const { seats_max: seats, calls_per_minute: limit } = wanted();
  const shut = !(seats > 0) || (limit != null && !(limit > 0));
  if (shut) return `Nobody would be let in${f.waiting ? `: ${plural(f.waiting, "person stays", "people stay")} in line` : ""}.`;
  if (!f.waiting) return "No one is waiting.";
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
      touched.add(id);
      $(to).value = $(from).value;
      $("forecast").textContent = forecast();
    });
    follow(id, `${id}-range`);
    follow(`${id}-range`, id);
  }
  for (const id of ["policy", "claim_window_s"]) $(id).addEventListener("input", () => touched.add(id));
  $("message").addEventListener("input", () => { messageTouched = true; });
  onSubmit("steer-form", async () => {
    const rules = changedRules();
    if (!Object.keys(rules).length) return told("steer", { done: "Nothing was changed: it is as it was." });
    const now = await tell(() => admin("PATCH", inRoom(), rules), "The settings were applied.", "steer");
    if (now) { touched.clear(); $("trial").hidden = true; draw(now); }
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
