import { $, admin, inRoom, tell, told } from "./api.js";

/** The rules as the server had them when the form was filled in. @type {any} */
let known = null;

/** @param {HTMLElement} line @param {string} name @returns {any} */
const part = (line, name) => line.querySelector(`[name="${name}"]`);

/** @param {any} [trigger] */
function addLine(trigger = {}) {
  const line = $("gate-trigger").content.firstElementChild.cloneNode(true);
  part(line, "lets_pass").value = trigger.lets_pass ? "yes" : "no";
  part(line, "triggers").value = trigger.path ?? "";
  part(line, "cookie").value = trigger.cookie ?? "";
  part(line, "header").value = trigger.header ?? "";
  for (const field of line.querySelectorAll("input, select")) field.id = `gate-${field.name}-${$("gate-triggers").children.length}-${Date.now()}`;
  line.querySelector("button")?.addEventListener("click", () => { line.remove(); mark(); $("gate-add").focus(); });
  $("gate-triggers").append(line);
  return line;
}

/** Return the rules as the form has them. */
function typed() {
  const triggers = [...$("gate-triggers").children].map((line) => ({
    path: part(line, "triggers").value.trim(),
    cookie: part(line, "cookie").value.trim(),
    header: part(line, "header").value.trim(),
    lets_pass: part(line, "lets_pass").value === "yes",
  })).filter((one) => one.path || one.cookie || one.header);
  return {
    ...known,
    when_away: $("gate-when-away").value,
    return_addresses: $("gate-return").value.split("\n").map((/** @type {string} */ one) => one.trim()).filter(Boolean),
    triggers,
    pass_s: Number($("gate-pass").value),
    arrive_at: $("gate-arrive").value.trim(),
  };
}

const isChanged = () => known !== null && JSON.stringify(typed()) !== JSON.stringify({ ...known, ...pick(known) });

/** Return the rules that have a field, in the order in which `typed` has them. @param {any} rules */
const pick = ({ when_away, return_addresses, triggers, pass_s, arrive_at }) => ({ when_away, return_addresses, triggers: triggers.map((/** @type {any} */ { path, cookie, header, lets_pass }) => ({ path, cookie, header, lets_pass })), pass_s, arrive_at });

function mark() {
  const discard = $("gate-discard");
  if (discard) discard.hidden = !isChanged();
}

/** @param {any} rules */
function fill(rules) {
  if (known === null && $("gate-add")) $("gate-form").firstElementChild.disabled = false;
  known = rules;
  $("gate-when-away").value = rules.when_away;
  $("gate-return").value = rules.return_addresses.join("\n");
  $("gate-triggers").replaceChildren();
  rules.triggers.forEach(addLine);
  $("gate-pass").value = rules.pass_s;
  $("gate-arrive").value = rules.arrive_at;
  mark();
}

/** Show the gate, unless it is being edited or is shown already. @param {any} rules */
export function drawGate(rules) {
  const shown = known !== null && JSON.stringify(rules) === JSON.stringify(known);
  if (!shown && !isChanged() && !$("gate-form").contains(document.activeElement)) fill(rules);
}

async function save() {
  if (known === null) return;
  const body = { ...typed(), was: known, reason: $("gate-reason").value.trim() };
  const now = await tell(async () => {
    const answer = await admin("PUT", inRoom("/gate"), body);
    // The operator has read of the colleague's change, and may save again over it.
    if (answer.data?.code === "changed_meanwhile") known = (await admin("GET", inRoom("/gate"))).data?.gate ?? known;
    return answer;
  }, "The gate was saved.", "gate");
  if (!now) return;
  $("gate-reason").value = "";
  fill(now.gate);
}

export function wireGate() {
  if (!$("gate-add")) return;
  // Until the rules are here, which would take the place of what is typed.
  $("gate-form").firstElementChild.disabled = true;
  $("gate-form").addEventListener("input", mark);
  $("gate-form").addEventListener("submit", (/** @type {Event} */ event) => { event.preventDefault(); save(); });
  $("gate-add").addEventListener("click", () => part(addLine(), "triggers").focus());
  $("gate-discard").addEventListener("click", () => { told("gate"); fill(known); });
}
