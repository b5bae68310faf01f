import { $, admin, inRoom, signIn, tell, told } from "./api.js";
import { drawState } from "./frame.js";
import { NoAnswer } from "../api.js";
import { mayRead, readMoment, setMoment, watchMoment } from "../moment.js";

/** Return how a rule is written into its field, read from it, and compared with it. @param {(value: any) => string} show @param {(text: string) => any} read */
const asText = (show, read) => ({
  write(field, value) { if (field.value !== show(value)) field.value = show(value); },
  read: (field) => read(field.value),
  has: (field, value) => field.value === show(value),
});
const asMoment = { write: setMoment, read: (field) => readMoment(field) || null, has: (field, value) => readMoment(field) === (value ?? "") };
const asWord = asText((value) => value ?? "", (text) => text.trim() || null);
const asNumber = asText(String, Number);
const asPercent = asText((value) => String(Math.round(value * 10000) / 100), (text) => Number(text) / 100);
const RULES = {
  doors_at: asMoment, opens_at: asMoment, closes_at: asMoment, order_by: asWord, public_value_source: asWord, policy: asWord,
  disappointed_max: asPercent, join_by: asWord, log_public: asWord, claim_window_s: asNumber, session_s: asNumber,
};
/** @returns {HTMLInputElement[]} */
const moments = () => Object.keys(RULES).filter((rule) => RULES[rule] === asMoment).map($);
const LOOK_MS = 3000;
const BEFORE_OPENING = ["scheduled", "before_opening"];

/** Each rule as the server has it. @type {Record<string, any>} */
let known = {};
/** Fields that were edited since. @type {Set<string>} */
const touched = new Set();

/** @param {any} shown the room as the server has it */
function drawRules(shown) {
  drawState(shown.status);
  known = { ...shown.settings, doors_at: shown.doors_at, opens_at: shown.opens_at, closes_at: shown.closes_at, policy: shown.policy };
  for (const [rule, { write }] of Object.entries(RULES)) if (!touched.has(rule)) write($(rule), known[rule]);
  $("order_by").disabled = !BEFORE_OPENING.includes(shown.status);
  $("public_value_source").disabled = $("order_by").disabled || $("order_by").value !== "draw";
}

/** Return only changed rules: an untouched one stays as it is, whatever another operator makes of it. */
function changes() {
  const wanted = {};
  for (const rule of touched) {
    const { has, read } = RULES[rule];
    if (!has($(rule), known[rule])) wanted[rule] = read($(rule));
  }
  return wanted;
}

async function look() {
  const { ok, status, data } = await admin("GET", inRoom());
  if (status === 401) return signIn();
  if (ok) drawRules(data);
}

async function repeat() {
  try { if (!document.hidden) await look(); } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
  }
  setTimeout(repeat, LOOK_MS);
}

function wireRules() {
  for (const rule of Object.keys(RULES)) $(rule).addEventListener("input", () => touched.add(rule));
  for (const field of moments()) watchMoment(field);
  $("order_by").addEventListener("input", () => { $("public_value_source").disabled = $("order_by").value !== "draw"; });
  $("rules-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!mayRead(...moments())) return;
    const wanted = changes();
    if (!Object.keys(wanted).length) return told("rules", { done: "Nothing was changed." });
    const now = await tell(() => admin("PATCH", inRoom(), wanted), "The rules were applied.", "rules");
    if (now) { touched.clear(); drawRules(now); }
  });
}

wireRules();
repeat();
