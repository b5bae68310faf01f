import { $, admin, inRoom, tell } from "./admin-api.js";
import { count, plural, spell } from "./format.js";
import { mayRead, momentOf, readMoment, setMoment, watchMoment } from "./moment.js";

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
const BEFORE_OPENING = ["scheduled", "before_opening"];
/** Seconds of silence after which the screen warns that another shop's figures may be old. */
const SILENT_S = 60;

/** Each rule as the server has it. @type {Record<string, any>} */
let known = {};
/** Fields that were edited since. @type {Set<string>} */
const touched = new Set();

/** Clear the drafts, which belong to another room. */
export function forgetRules() { known = {}; touched.clear(); }

/** @param {any} shown the room as the server has it */
export function drawRules(shown) {
  known = { ...shown.settings, doors_at: shown.doors_at, opens_at: shown.opens_at, closes_at: shown.closes_at, policy: shown.policy };
  for (const [rule, { write }] of Object.entries(RULES)) if (!touched.has(rule)) write($(rule), known[rule]);
  $("order_by").disabled = !BEFORE_OPENING.includes(shown.status);
  $("public_value_source").disabled = $("order_by").disabled || $("order_by").value !== "draw";
  drawDraw(shown);
  drawElsewhere(shown);
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

/** @param {any} draw @returns {string} */
function wordOf(draw) {
  const entered = plural(draw.entries, "entry", "entries");
  return {
    announced: `Announced: the seed is fixed, and its commitment is in the public log. ${entered} so far.`,
    closing: `Closed with ${entered}; the closing is being signed.`,
    waits_for_value: `Closed with ${entered}. The draw waits for the public value.`,
    drawing: `Closed with ${entered}; the order is being drawn.`,
    drawn: `${entered} drawn${draw.drawn_at ? `, ${momentOf(draw.drawn_at)}` : ""}. The seed is in the public log.`,
  }[draw.status] ?? draw.status;
}

/** @param {any} shown */
function drawDraw({ draw, settings }) {
  $("draw-box").hidden = settings.order_by !== "draw";
  const word = draw.length ? draw.map((one) => (draw.length > 1 ? `${one.lane}: ` : "") + wordOf(one)).join(" ") : "It is announced as soon as a controller leads.";
  if ($("draw-word").textContent !== word) $("draw-word").textContent = word;
  const [first] = draw;
  const facts = first ? { Commitment: first.commitment, "Public value from": first.public_value_source, "Public value": first.value } : {};
  const text = JSON.stringify(facts);
  if ($("draw-facts").dataset.shown !== text) {
    $("draw-facts").dataset.shown = text;
    $("draw-facts").replaceChildren(...Object.entries(facts).filter(([, value]) => value).map(([name, value]) => {
      const box = document.createElement("div"), said = Object.assign(document.createElement("dd"), { textContent: String(value) });
      box.append(Object.assign(document.createElement("dt"), { textContent: name }), said);
      return box;
    }));
  }
  $("value-form").hidden = !draw.some((one) => one.status === "waits_for_value");
}

/** @param {any} shown */
function drawElsewhere({ settings, figures }) {
  $("elsewhere").hidden = !settings.stock_elsewhere;
  const silent = figures.stock_silent_s;
  const word = silent == null ? "The stock lives in another shop, which has sent no figures yet: no one is called until it does."
    : silent > SILENT_S ? `The shop where the stock lives has sent nothing for ${spell(silent)}; its figures may be old.`
      : `The stock lives in another shop: ${count(figures.available)} free, ${count(figures.held)} in baskets there.`;
  $("elsewhere").classList.toggle("problem", silent == null || silent > SILENT_S);
  if ($("elsewhere").textContent !== word) $("elsewhere").textContent = word;
}

/** @param {(room: any) => void} draw */
export function wireRules(draw) {
  for (const rule of Object.keys(RULES)) $(rule).addEventListener("input", () => touched.add(rule));
  for (const field of moments()) watchMoment(field);
  $("order_by").addEventListener("input", () => { $("public_value_source").disabled = $("order_by").value !== "draw"; });
  $("rules-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!mayRead(...moments())) return;
    const wanted = changes();
    if (!Object.keys(wanted).length) return void ($("admin-done").textContent = "Nothing was changed.");
    const now = await tell(() => admin("PATCH", inRoom(), wanted), "The rules were applied.");
    if (now) { touched.clear(); draw(now); }
  });
  $("value-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = await tell(() => admin("POST", inRoom("/public-value"), { value: $("value").value.trim() }), "The draw has its public value.");
    if (given) $("value").value = "";
  });
}
