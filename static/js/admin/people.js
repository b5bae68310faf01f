import { addressOf } from "../api.js";
import { $, admin, refuse, sure, tell, told } from "./api.js";
import { plural } from "../format.js";
import { momentOf } from "../moment.js";

/** Letters and digits that nobody mistakes for others. */
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS = 4, GROUP = 5;
const ROLES = [...$("role").options].map(({ value, textContent }) => ({ value, title: textContent }));
const ME = $("admin").dataset.me;

/** The account whose password is being set. */
let chosen = "";

/** Return a password of some 99 random bits. */
function makePassword() {
  const drawn = [];
  // A byte beyond the last whole run of the letters would favour the first ones.
  const fair = 256 - 256 % LETTERS.length;
  while (drawn.length < GROUPS * GROUP) drawn.push(...crypto.getRandomValues(new Uint8Array(32)).filter((byte) => byte < fair));
  const letters = drawn.slice(0, GROUPS * GROUP).map((byte) => LETTERS[byte % LETTERS.length]).join("");
  return /** @type {string[]} */ (letters.match(new RegExp(`.{${GROUP}}`, "g"))).join("-");
}

/** Show a password that was made here, once. @param {string} name @param {string} password */
function show(name, password) {
  $("shown-title").textContent = `The password of ${name}`;
  $("shown").value = password;
  $("shown-dialog").showModal();
  $("shown").select();
}

/** @param {string} tag @param {any} values @param {...(Node | string)} inside */
function make(tag, values, ...inside) {
  const made = Object.assign(document.createElement(tag), values);
  made.append(...inside);
  return made;
}

/** @param {string} text @param {() => void} act @param {string} [look] */
function button(text, act, look = "") {
  const made = make("button", { type: "button", textContent: text, className: look });
  made.addEventListener("click", act);
  return made;
}

/** What is known of an account, in a line. @param {any} account */
function known({ sessions, seen_at: seen, rooms, role, second_factor: factor, at_provider: linked }) {
  const said = [seen ? `Last seen ${momentOf(seen)}` : "Not signed in", sessions && `open in ${plural(sessions, "browser")}`, factor && "has a second factor", linked && "signs in at the provider"];
  if (role === "seller") said.push(rooms.length ? `sells in ${rooms.join(", ")}` : "sells in no room yet: admit them on a room’s Goods screen");
  return `${said.filter(Boolean).join(", ")}.`;
}

/** @param {any} account */
function card(account) {
  const { name, role, active } = account, at = `account-${name}`;
  const title = ROLES.find((one) => one.value === role)?.title ?? role;
  const state = make("p", { className: "state", textContent: active ? title : "Access ended" });
  if (!active) state.dataset.state = "ended";
  const box = make("li", { className: "card" }, make("h3", { textContent: name }), state, make("p", { className: "small", textContent: known(account) }));
  box.dataset.name = name;
  if (name === ME) {
    box.append(make("p", {}, "This is you. Your password is changed under ", make("a", { href: addressOf("/admin/account"), textContent: "Account" }), ", and your role by another admin."));
    return box;
  }
  const select = make("select", { id: `role-${name}` }, ...ROLES.map(({ value, title: text }) => make("option", { value, textContent: text, selected: value === role })));
  const form = make("form", { className: "row" }, make("label", { htmlFor: select.id, textContent: "Role" }), select, make("button", { textContent: "Change the role" }));
  form.addEventListener("submit", (event) => { event.preventDefault(); changeRole(account, select.value, at); });
  const tools = make("p", { className: "row" }, button("New password", () => askPassword(name)));
  if (account.sessions) tools.append(button("Sign out everywhere", () => change(at, () => admin("DELETE", `${path(name)}/sessions`), `${name} is signed out.`)));
  if (account.second_factor) tools.append(button("Remove the second factors", () => removeFactors(name, at)));
  if (account.at_provider) tools.append(button("Unlink from the provider", () => unlink(name, at)));
  tools.append(active ? button("End the access", () => end(name, at), "plain") : button("Allow the sign-in again", () => change(at, () => admin("PATCH", path(name), { active: true }), `${name} may sign in again.`)));
  for (const made of tools.querySelectorAll("button")) made.setAttribute("aria-label", `${made.textContent}: ${name}`);
  box.append(form, tools, place(at));
  return box;
}

/** Return a place for what came of an act, as the template's `told`. @param {string} at */
function place(at) {
  const words = (look, role) => { const said = make("p", { className: look }); said.setAttribute("role", role); return said; };
  return make("div", { className: "told", id: `${at}-told` }, words("status", "status"), words("problem", "alert"));
}

/** @param {string} name */
const path = (name) => `/operators/${encodeURIComponent(name)}`;

/** Make a change, draw the accounts again, and say beside the account what came of it. */
async function change(at, act, done) {
  const answer = await tell(act, done, at);
  if (!answer) return null;
  await draw();
  told(at, { done });
  return answer;
}

/** @param {any} account @param {string} role @param {string} at */
async function changeRole({ name, role }, wanted, at) {
  if (wanted === role) return told(at, { problem: "That is their role already." });
  if (!await sure(`Change the role of ${name}?`, "They are signed out everywhere, and have the new role when they sign in again.", "Change it")) return;
  await change(at, () => admin("PATCH", path(name), { role: wanted }), `The role of ${name} was changed.`);
}

/** @param {string} name @param {string} at */
async function end(name, at) {
  if (!await sure(`End the access of ${name}?`, "They are signed out everywhere and cannot sign in. What they did stays on record, and you can allow the sign-in again.", "End it")) return;
  await change(at, () => admin("PATCH", path(name), { active: false }), `The access of ${name} was ended.`);
}

/** @param {string} name @param {string} at */
async function removeFactors(name, at) {
  if (!await sure(`Remove the second factors of ${name}?`, "Their authenticator app, passkeys and recovery codes end, and they are signed out everywhere. Do this only when you are sure who is asking: from then on their password alone opens the account.", "Remove them")) return;
  await change(at, () => admin("DELETE", `${path(name)}/factors`), `The second factors of ${name} were removed.`);
}

/** @param {string} name @param {string} at */
async function unlink(name, at) {
  if (!await sure(`Unlink ${name} from the provider?`, "They are signed out where they signed in at the provider. Whoever has their name as a verified e-mail address there is linked at their next sign-in.", "Unlink them")) return;
  await change(at, () => admin("DELETE", `${path(name)}/provider`), `${name} is linked to nobody at the provider.`);
}

/** @param {string} name */
function askPassword(name) {
  chosen = name;
  $("password-title").textContent = `A new password for ${name}`;
  $("new-password").value = "";
  told("password");
  $("password-dialog").showModal();
}

/** @param {Event} event */
async function setPassword(event) {
  event.preventDefault();
  const typed = $("new-password").value, password = typed || makePassword();
  const done = `${chosen} has a new password.`;
  if (!await tell(() => admin("PATCH", path(chosen), { password }), done, "password")) return;
  $("password-dialog").close();
  await draw();
  told(`account-${chosen}`, { done });
  if (!typed) show(chosen, password);
}

/** @param {Event} event */
async function add(event) {
  event.preventDefault();
  const typed = $("password").value, password = typed || makePassword();
  const name = $("name").value.trim();
  if (!/^[A-Za-z0-9][A-Za-z0-9._@+-]*$/.test(name)) return refuse("add", "name", "A name has letters, digits and . _ @ + - and begins with a letter or a digit.");
  if (!await tell(() => admin("POST", "/operators", { name, role: $("role").value, password }), `${name} may sign in.`, "add")) return;
  $("add-form").reset();
  await draw();
  if (!typed) show(name, password);
}

async function draw() {
  const { ok, data } = await admin("GET", "/operators");
  if (ok) $("accounts").replaceChildren(...data.operators.map(card));
}

$("add-form").addEventListener("submit", add);
$("password-form").addEventListener("submit", setPassword);
$("password-cancel").addEventListener("click", () => $("password-dialog").close());
$("shown-dialog").addEventListener("close", () => { $("shown").value = ""; });
$("copy").addEventListener("click", async () => {
  // On plain http no script may write to the clipboard; the field is selected for copying by hand.
  $("shown").select();
  await navigator.clipboard?.writeText($("shown").value).catch(() => {});
});
draw();
