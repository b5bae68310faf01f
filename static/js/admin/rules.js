import { plural } from "../format.js";
import { momentOf, readMoment, setMoment, watchMoment } from "../moment.js";
import { $, admin, inRoom, refuse, signIn, tell, told } from "./api.js";
import { clearField, ofHundred } from "./fields.js";
import { drawName, drawState, keepLooking } from "./frame.js";

const LOOK_MS = 3000;
const FIXED = $("admin").dataset.role === "viewer";
const BEFORE_OPENING = ["scheduled", "before_opening"];

/** Return a length of time in hours, minutes and seconds, none of them rounded. @param {number} seconds */
const exactly = (seconds) => [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]]
  .filter(([n]) => n).map(([n, unit]) => `${n} ${unit}`).join(" ");

/** Return how a rule is written into its field, read from it, compared with it and told. @param {(value: any) => string} show @param {(text: string) => any} read @param {(value: any, field: any) => string} [say] */
const asText = (show, read, say = (value) => show(value) || "empty") => ({
  write(field, value) { if (field.value !== show(value)) field.value = show(value); },
  read: (field) => read(field.value), has: (field, value) => field.value.trim() === show(value), say,
});
const asNumber = asText(String, Number);
const KINDS = {
  text: asText((value) => value ?? "", (text) => text.trim(), (value, field) => [...field.options ?? []].find((one) => one.value === value)?.textContent || value || "empty"),
  word: asText((value) => value ?? "", (text) => text.trim() || null),
  number: asNumber,
  seconds: { ...asNumber, say: (value) => `${plural(value, "second")}${value >= 60 ? ` (${exactly(value)})` : ""}` },
  limit: asText((value) => (value == null ? "" : String(value)), (text) => (text === "" ? null : Number(text)), (value) => (value == null ? "no limit" : String(value))),
  percent: asText((value) => String(ofHundred(value)), (text) => Number((Number(text) / 100).toPrecision(6))),
  flag: asText((value) => (value ? "yes" : "no"), (text) => text === "yes", (value) => (value ? "Yes" : "No")),
  moment: { write: setMoment, read: (field) => readMoment(field) || null, has: (field, value) => readMoment(field) === (value ?? ""), say: (value) => (value ? momentOf(value) : "none") },
};
/** The kind of each rule that has a field. */
const RULES = Object.fromEntries([...document.querySelectorAll("[data-rule]")].map((box) => [box.dataset.rule, KINDS[box.dataset.kind]]));
const MOMENTS = Object.keys(RULES).filter((rule) => RULES[rule] === KINDS.moment);

/** Each rule as the server has it. @type {Record<string, any>} */
let known = {};
let status = "";
/** Rules that were edited since. @type {Set<string>} */
const touched = new Set();

/** Return only changed rules: an untouched one stays as it is, whatever another operator makes of it. */
const changed = () => [...touched].filter((rule) => !RULES[rule].has($(rule), known[rule]));

/** @param {any} shown the room as the server has it */
function draw(shown) {
  ({ status } = shown);
  drawState(status);
  drawName(shown.name);
  known = { ...shown.settings, ...Object.fromEntries(Object.keys(RULES).filter((rule) => rule in shown).map((rule) => [rule, shown[rule]])) };
  for (const [rule, { write }] of Object.entries(RULES)) if (!touched.has(rule)) write($(rule), known[rule]);
  mark();
}

/** Fields that do nothing as things stand are not to be filled in. */
function fit() {
  $("order_by").disabled = $("stock_elsewhere").disabled = !BEFORE_OPENING.includes(status);
  $("public_value_source").disabled = $("order_by").disabled || $("order_by").value !== "draw";
}

/** Mark changed rules, with what is in force, and say how many there are. */
function mark() {
  fit();
  const now = new Set(changed());
  for (const [rule, { say }] of Object.entries(RULES)) {
    const box = $(rule).closest(".rule"), was = $(`${rule}-was`), word = now.has(rule) ? `Now: ${say(known[rule], $(rule))}` : "";
    box.classList.toggle("is-changed", now.has(rule));
    if (was.textContent !== word) was.textContent = word;
    was.hidden = !word;
    const spelled = $(`${rule}-spelled`);
    if (spelled) spelled.value = Number($(rule).value) >= 60 ? `= ${exactly(Number($(rule).value))}` : "";
  }
  if (FIXED) return;
  const word = now.size ? `${plural(now.size, "rule")} changed, not applied yet.` : "";
  if ($("pending-word").textContent !== word) $("pending-word").textContent = word;
  $("rules-discard").hidden = $("pending-reason-box").hidden = !now.size;
  $("pending").classList.toggle("is-open", now.size > 0);
}

/** Say at the first field that cannot be read what is wrong with it. @returns {boolean} whether all can be sent */
function readable() {
  for (const rule of touched) {
    const field = $(rule);
    if (field.disabled || field.validity.valid) continue;
    // A field of a moment has its own place for this.
    if (MOMENTS.includes(rule)) field.focus();
    else refuse("rules", rule, field.validationMessage);
    return false;
  }
  return true;
}

function discard() {
  for (const rule of touched) clearField($(rule));
  touched.clear();
  for (const [rule, { write }] of Object.entries(RULES)) write($(rule), known[rule]);
  $("reason").value = "";
  told("rules");
  mark();
}

async function apply() {
  if (!readable()) return;
  const wanted = Object.fromEntries(changed().map((rule) => [rule, RULES[rule].read($(rule))]));
  if (!Object.keys(wanted).length) return told("rules", { done: "Nothing was changed." });
  const now = await tell(() => admin("PATCH", inRoom(), { ...wanted, reason: $("reason").value.trim() }), "The rules were applied.", "rules");
  if (!now) return;
  touched.clear();
  $("reason").value = "";
  draw(now);
}

async function look() {
  const { ok, status: answered, data } = await admin("GET", inRoom());
  if (answered === 401) return signIn();
  if (ok) draw(data);
}

for (const rule of Object.keys(RULES)) $(rule).addEventListener("input", () => { touched.add(rule); mark(); });
for (const rule of MOMENTS) watchMoment($(rule));
$("rules-discard")?.addEventListener("click", discard);
$("rules-form").addEventListener("submit", (event) => { event.preventDefault(); apply(); });
// A tab or a link leads away from what was typed.
window.addEventListener("beforeunload", (event) => { if (changed().length) event.preventDefault(); });
keepLooking(look, LOOK_MS);
