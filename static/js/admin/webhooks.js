import { NoAnswer } from "../api.js";
import { $, admin, signIn, sure, tableRow, tell, told } from "./api.js";
import { refreshDeliveries, showDeliveries, shownEndpoint, wireDeliveries } from "./webhooks-deliveries.js";
import { count } from "../format.js";
import { momentOf } from "../moment.js";

const LOOK_MS = 3000;
const MAY_CHANGE = $("admin").dataset.role === "admin";
const MAY_SEND = MAY_CHANGE || $("admin").dataset.role === "operator";
const WHY = { paused: "Paused", gone: "Off: it answered 410 Gone", failing: "Off: it failed for days" };
/** The server counts deliveries up to here. */
const COUNTED_MAX = 1000;

let drawn = "";
/** The endpoint in the form; null for a new one. @type {any} */
let editing = null;
/** @type {Map<number, HTMLElement>} */
const places = new Map();

/** @param {string} text @param {string} key its name among others, to keep the focus @param {() => void} act */
function button(text, key, act, look = "") {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, className: look });
  made.dataset.key = key;
  made.addEventListener("click", act);
  return made;
}

/** @param {[string, string][]} pairs */
function facts(pairs) {
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [name, value] of pairs) {
    const box = document.createElement("div");
    box.append(Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }));
    list.append(box);
  }
  return list;
}

const many = (n) => (n >= COUNTED_MAX ? `${count(n)} or more` : count(n));

/** @param {any} endpoint */
function warnings(endpoint) {
  const said = [];
  if (!endpoint.signs) said.push("The signing key behind its secret is gone: rotate the secret.");
  if (endpoint.inactive_why && endpoint.inactive_why !== "paused") said.push(`Nothing has been sent since ${momentOf(endpoint.inactive_since)}. Pending events are sent once it is active again; events since then were not recorded for it.`);
  else if (endpoint.failing_since) said.push(`Every attempt has failed since ${momentOf(endpoint.failing_since)}. After three days it is switched off.`);
  return said;
}

/** The place for the outcome of an act on an endpoint; it outlives the card that it stands in. @param {number} id */
function placeOf(id) {
  const there = places.get(id);
  if (there) return there;
  const place = Object.assign(document.createElement("div"), { className: "told", id: `endpoint-${id}-told` });
  for (const [className, role] of [["status", "status"], ["problem", "alert"]]) {
    const words = Object.assign(document.createElement("p"), { className });
    words.setAttribute("role", role);
    place.append(words);
  }
  places.set(id, place);
  return place;
}

/** @param {any} endpoint */
function card(endpoint) {
  const { endpoint_id: id, url, description, kinds, active } = endpoint;
  const box = document.createElement("article");
  box.className = "card";
  const state = Object.assign(document.createElement("p"), { className: "state", textContent: active ? "Active" : WHY[endpoint.inactive_why] });
  if (!active || endpoint.failing_since) state.dataset.state = "paused";
  const pairs = [["Events", kinds.length ? kinds.join(", ") : "all"], ["Pending", many(endpoint.pending)], ["Failed", many(endpoint.failed)]];
  if (endpoint.old_until && new Date(endpoint.old_until) > new Date()) pairs.push(["Old secret until", momentOf(endpoint.old_until)]);
  box.append(Object.assign(document.createElement("h3"), { textContent: description || url }), state);
  if (description) box.append(Object.assign(document.createElement("p"), { className: "small", textContent: url }));
  for (const text of warnings(endpoint)) box.append(Object.assign(document.createElement("p"), { className: "why", textContent: text }));
  const tools = document.createElement("p");
  tools.className = "row";
  const act = (text, what, look) => tools.append(button(text, `${id}-${text}`, what, look));
  act("Deliveries", () => showDeliveries(id, description || url));
  if (MAY_SEND && active) act("Send a test", () => change("POST", `/${id}/test`, "A test event is on its way.", undefined, `endpoint-${id}`).then(() => showDeliveries(id, description || url)));
  if (MAY_CHANGE) {
    act("Change", () => openForm(endpoint));
    act(active ? "Pause" : "Make active", () => change("PATCH", `/${id}`, active ? "It is paused." : "It is active.", { active: !active }, `endpoint-${id}`));
    act("Rotate the secret", () => rotate(endpoint));
    act("Delete", () => remove(endpoint), "plain");
  }
  box.append(facts(pairs), tools, placeOf(id));
  return box;
}

async function look() {
  const { ok, status, data } = await admin("GET", "/webhooks");
  if (status === 401) return signIn();
  if (!ok) return;
  // An unchanged part is left alone, and one that is replaced keeps the focus.
  const now = JSON.stringify(data);
  if (now !== drawn) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
    drawn = now;
    $("no-endpoints").hidden = data.endpoints.length > 0;
    $("endpoints").replaceChildren(...data.endpoints.map(card));
    if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
    $("action-rows").replaceChildren(...data.actions.map(({ at, sentence }) => tableRow([momentOf(at), sentence])));
  }
  if (shownEndpoint() != null) await refreshDeliveries();
}

/** @param {string} method @param {string} path under /admin/webhooks @param {string} done @param {any} [body] @param {string} [at] */
async function change(method, path, done, body, at = "endpoints") {
  const answer = await tell(() => admin(method, `/webhooks${path}`, body), done, at);
  if (answer) await look().catch(() => {});
  return answer;
}

/** @param {any} endpoint */
async function rotate({ endpoint_id: id, url }) {
  if (!await sure("Rotate the secret?", `${url} gets a new secret. For a day everything is signed with the old one too.`, "Rotate it")) return;
  const answer = await change("POST", `/${id}/rotate`, "The secret was rotated.", undefined, `endpoint-${id}`);
  if (answer) showSecret(answer.secret, "The old secret is good for one more day.");
}

/** @param {any} endpoint */
async function remove({ endpoint_id: id, url }) {
  if (!await sure("Delete the endpoint?", `Nothing more is sent to ${url}, and its deliveries are deleted. This cannot be undone.`, "Delete it")) return;
  await change("DELETE", `/${id}`, "The endpoint was deleted.");
  if (shownEndpoint() === id) $("deliveries").hidden = true;
}

/** @param {string} secret @param {string} note */
function showSecret(secret, note) {
  $("secret").value = secret;
  $("secret-note").textContent = note;
  $("secret-dialog").showModal();
  $("secret").select();
}

/** @param {any} endpoint null for a new one */
function openForm(endpoint) {
  editing = endpoint;
  $("endpoint-title").textContent = endpoint ? "Change the endpoint" : "Add an endpoint";
  told("endpoint");
  $("url").value = endpoint?.url ?? "";
  $("description").value = endpoint?.description ?? "";
  for (const box of boxes()) box.checked = endpoint?.kinds.includes(box.value) ?? false;
  $("endpoint-dialog").showModal();
}

const boxes = () => /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("[name=kind]")]);

/** @param {Event} event */
async function save(event) {
  event.preventDefault();
  const kinds = boxes().filter((box) => box.checked).map((box) => box.value);
  const body = { url: $("url").value, description: $("description").value, kinds };
  const done = editing ? "The endpoint was changed." : "The endpoint was added.";
  // A page behind an open dialog is not read out, so the dialog tells of a problem itself.
  const answer = await change(editing ? "PATCH" : "POST", editing ? `/${editing.endpoint_id}` : "", done, body, "endpoint");
  if (!answer) return;
  $("endpoint-dialog").close();
  told("endpoints", { done });
  if (answer.secret) showSecret(answer.secret, "");
}

async function repeat() {
  try { if (!document.hidden) await look(); } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
  }
  setTimeout(repeat, LOOK_MS);
}

$("add")?.addEventListener("click", () => openForm(null));
$("endpoint-form").addEventListener("submit", save);
document.querySelector("[data-close]")?.addEventListener("click", () => $("endpoint-dialog").close());
$("secret-dialog").addEventListener("close", () => { $("secret").value = ""; });
$("copy").addEventListener("click", async () => {
  // On plain http no script may write to the clipboard; the field is selected for copying by hand.
  $("secret").select();
  await navigator.clipboard?.writeText($("secret").value).catch(() => {});
});
wireDeliveries(MAY_SEND);
repeat();
