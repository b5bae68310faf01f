import { addressOf, NoAnswer } from "../api.js";
import { $, admin, refuse, sure, tell, told } from "./api.js";
import { copyField } from "./copy.js";
import { plural } from "../format.js";
import { momentOf } from "../moment.js";
import { canSign, make, NoPasskey } from "./passkey.js";

/** The paths of one's own factors under /admin. */
const APP = "/account/authenticator", PASSKEYS = "/account/passkeys";

/** Show recovery codes, once. @param {string[] | null} codes */
function show(codes) {
  if (!codes) return;
  $("codes").value = codes.join("\n");
  $("codes-said").textContent = "";
  $("codes-dialog").showModal();
}

/** @param {any} passkey */
function row({ passkey_id: id, name, made_at: made, last_used_at: used }) {
  const item = document.createElement("li"), words = document.createElement("span"), button = document.createElement("button");
  const when = Object.assign(document.createElement("span"), { className: "small", textContent: `Added ${momentOf(made)}${used ? `, last used ${momentOf(used)}` : ", not used yet"}` });
  words.append(Object.assign(document.createElement("b"), { textContent: name }), when);
  Object.assign(button, { type: "button", className: "plain", textContent: "Remove" });
  button.setAttribute("aria-label", `Remove the passkey ${name}`);
  button.addEventListener("click", () => remove(`${PASSKEYS}/${id}`, `Remove the passkey ${name}?`, `The passkey ${name} was removed.`, "passkey"));
  item.append(words, button);
  return item;
}

/** @param {string} path @param {string} title @param {string} done @param {string} at */
async function remove(path, title, done, at) {
  if (!await sure(title, "It can no longer be used to sign in. Without any second factor your password alone opens your account, and your recovery codes end.", "Remove it")) return;
  if (await tell(() => admin("DELETE", path), done, at)) await draw();
}

/** Draw what the server knows. */
async function draw() {
  const { ok, data } = await admin("GET", "/account/factors");
  if (!ok) return;
  const since = data.authenticator_since, some = since || data.passkeys.length, works = canSign(data.passkey_origin);
  if (some) $("factor-needed")?.remove();
  $("app-state").textContent = since ? `Your app has been set up since ${momentOf(since)}. The sign-in asks for its codes.` : "An app on your phone makes a new code every 30 seconds, and the sign-in asks for it.";
  $("app-begin").hidden = Boolean(since);
  $("app-remove").hidden = !since;
  if (since) $("app-new").hidden = true;
  $("passkeys").replaceChildren(...data.passkeys.map(row));
  $("passkey-form").hidden = !works;
  $("passkey-away").hidden = works;
  $("passkey-away").textContent = !data.passkey_origin ? "Passkeys need a service whose public address has a name."
    : data.passkey_origin === location.origin ? "This browser has no passkeys." : `Passkeys work at ${data.passkey_origin}. Open this page there to add one.`;
  $("recovery").hidden = !some;
  $("recovery-state").textContent = `You have ${plural(data.recovery_codes_left, "recovery code")} left. Each signs in once, when you have neither your phone nor your passkeys.`;
}

async function begin() {
  const made = await tell(() => admin("POST", APP, {}), "", "app");
  if (!made) return;
  $("app-code").src = addressOf(`/admin${APP}.svg?${Date.now()}`);
  $("app-key").textContent = made.key.match(/.{1,4}/g).join(" ");
  $("app-typed").value = "";
  $("app-begin").hidden = true;
  $("app-new").hidden = false;
  $("app-typed").focus();
}

/** @param {Event} event */
async function confirm(event) {
  event.preventDefault();
  const code = $("app-typed").value.replace(/\s/g, "");
  if (!/^\d{6}$/.test(code)) return refuse("app", "app-typed", "Type the six digits that the app shows now.");
  const answer = await tell(() => admin("POST", `${APP}/confirm`, { code }), "Your app is set up. You stay signed in here, and nowhere else.", "app");
  if (!answer) return;
  await draw();
  show(answer.recovery_codes);
}

/** @param {Event} event */
async function addPasskey(event) {
  event.preventDefault();
  told("passkey");
  const name = $("passkey-name").value.trim();
  const offer = await tell(() => admin("POST", `${PASSKEYS}/options`, {}), "", "passkey");
  if (!offer) return;
  try {
    const passkey = await make(offer.options);
    const answer = await tell(() => admin("POST", PASSKEYS, { name, passkey }), `The passkey ${name} was added. You stay signed in here, and nowhere else.`, "passkey");
    if (!answer) return;
    $("passkey-form").reset();
    await draw();
    show(answer.recovery_codes);
  } catch (error) {
    if (!(error instanceof NoAnswer || error instanceof NoPasskey)) throw error;
    told("passkey", { problem: error.message });
  }
}

async function renew() {
  if (!await sure("Make new recovery codes?", "The older ones end at once.", "Make them")) return;
  const answer = await tell(() => admin("POST", "/account/recovery-codes", {}), "You have new recovery codes.", "recovery");
  if (!answer) return;
  await draw();
  show(answer.recovery_codes);
}

$("app-begin").addEventListener("click", begin);
$("app-form").addEventListener("submit", confirm);
$("app-remove").addEventListener("click", () => remove(APP, "Remove the authenticator app?", "The authenticator app was removed.", "app"));
$("passkey-form").addEventListener("submit", addPasskey);
$("recovery-new").addEventListener("click", renew);
$("codes-copy").addEventListener("click", () => copyField("codes", "codes-said"));
$("codes-dialog").addEventListener("close", () => { $("codes").value = ""; });
draw();
