import { $, admin, refuse, tell, told } from "./api.js";
import { copyField } from "./copy.js";
import { momentOf } from "../moment.js";

const DAY_MS = 24 * 3600 * 1000;

/** The key that is being ended. @type {any} */
let chosen = null;

/** @param {string} tag @param {any} values @param {...(Node | string)} inside */
function make(tag, values, ...inside) {
  const made = Object.assign(document.createElement(tag), values);
  made.append(...inside);
  return made;
}

/** When a key was made, last used and expires, in a line. @param {any} key */
function known({ made_by: by, made_at: made, last_used_at: used, expires_at: expires, expired }) {
  const said = [`Made by ${by ?? "the command line"} on ${momentOf(made)}`, used ? `last used ${momentOf(used)}` : "not used yet"];
  if (expires) said.push(`${expired ? "expired" : "expires"} ${momentOf(expires)}`);
  return `${said.join(", ")}.`;
}

/** @param {any} key */
function card(key) {
  const { name, scopes, rooms, expired } = key;
  const state = make("p", { className: "state", textContent: expired ? "Expired" : "In force" });
  if (expired) state.dataset.state = "ended";
  const end = make("button", { type: "button", textContent: "End the key" });
  end.setAttribute("aria-label", `End the key: ${name}`);
  end.addEventListener("click", () => askEnd(key));
  const box = make("li", { className: "card" }, make("h3", { textContent: name }), state,
    make("p", { textContent: `${scopes.join(", ")}${rooms ? `, in ${rooms.join(", ")} alone` : ", in all rooms"}` }),
    make("p", { className: "small", textContent: known(key) }), make("p", { className: "row" }, end));
  box.dataset.name = name;
  return box;
}

/** @param {any} key */
const over = ({ name, ended_at: at, end_reason: reason }) => make("li", { textContent: `${name} ended ${momentOf(at)}${reason ? `: ${reason}` : ""}` });

/** @param {any} key */
function askEnd(key) {
  chosen = key;
  $("end-title").textContent = `End the key ${key.name}?`;
  $("end-form").reset();
  told("end");
  $("end-dialog").showModal();
}

/** @param {Event} event */
async function end(event) {
  event.preventDefault();
  const done = `The key ${chosen.name} was ended.`;
  if (!await tell(() => admin("POST", `/keys/${chosen.key_id}/end`, { reason: $("reason").value }), done, "end")) return;
  $("end-dialog").close();
  await draw();
  told("keys", { done });
}

/** The values of the boxes that are ticked. @param {string} name */
const ticked = (name) => [...document.querySelectorAll(`#add-form [name="${name}"]:checked`)].map((box) => /** @type {HTMLInputElement} */ (box).value);

/** @param {Event} event */
async function add(event) {
  event.preventDefault();
  const name = $("name").value.trim(), scopes = ticked("scope"), rooms = ticked("room"), days = Number($("days").value);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return refuse("add", "name", "A name has letters, digits and . _ - and begins with a letter or a digit.");
  if (!scopes.length) return told("add", { problem: "Choose at least one scope." });
  const wish = { name, scopes, rooms: rooms.length ? rooms : null, expires_at: days ? new Date(Date.now() + days * DAY_MS).toISOString() : null };
  const made = await tell(() => admin("POST", "/keys", wish), `The key ${name} was made.`, "add");
  if (!made) return;
  $("add-form").reset();
  $("shown-title").textContent = `The key ${name}`;
  $("shown").value = made.secret;
  $("copied").textContent = "";
  $("shown-dialog").showModal();
  $("shown").select();
  await draw();
}

async function draw() {
  const { ok, data } = await admin("GET", "/keys");
  if (!ok) return;
  const keys = data.keys.filter((key) => !key.ended_at), ended = data.keys.filter((key) => key.ended_at);
  $("keys").replaceChildren(...keys.map(card));
  $("no-keys").hidden = keys.length > 0;
  $("over-keys").replaceChildren(...ended.map(over));
  $("over").hidden = !ended.length;
}

$("add-form").addEventListener("submit", add);
$("end-form").addEventListener("submit", end);
$("end-cancel").addEventListener("click", () => $("end-dialog").close());
$("shown-dialog").addEventListener("close", () => { $("shown").value = ""; });
$("copy").addEventListener("click", () => copyField("shown", "copied"));
draw();
