import { $, admin, inRoom, room, sure, tell, told } from "./api.js";
import { copyField } from "./copy.js";

const PATH = "/gate/known-user";
const NONE = { customer: "", event: "", extends: false, binds_address: false, cookie_domain: "", cancel_path: "" };

/** The rules as the server had them when the form was filled in: null for a room without a site, undefined before. @type {any} */
let known;

/** Return the rules as the form has them. */
const typed = () => ({
  customer: $("site-customer").value.trim(),
  event: $("site-event").value.trim(),
  extends: $("site-extends").value === "yes",
  binds_address: $("site-binds").value === "yes",
  cookie_domain: $("site-domain").value.trim(),
  cancel_path: $("site-cancel").value.trim(),
});

/** Return rules in one order, to compare them. @param {any} rules */
const texts = (rules) => JSON.stringify(Object.keys(NONE).map((name) => rules[name]));

const isChanged = () => known !== undefined && texts(typed()) !== texts(known ?? NONE);

function mark() {
  const discard = $("site-discard");
  if (discard) discard.hidden = !isChanged();
}

/** @param {any} rules null for a room that speaks to no site */
function fill(rules) {
  known = rules;
  const shown = rules ?? NONE;
  $("site-customer").value = shown.customer;
  $("site-event").value = shown.event;
  $("site-extends").value = shown.extends ? "yes" : "no";
  $("site-binds").value = shown.binds_address ? "yes" : "no";
  $("site-domain").value = shown.cookie_domain;
  $("site-cancel").value = shown.cancel_path;
  $("site-none").hidden = rules !== null;
  $("site-known").hidden = rules === null;
  $("site-pull").value = `${$("site-known").dataset.base}/status/integrationconfig/secure/${shown.customer}`;
  mark();
}

/** Show how the room speaks to a site, unless that is being edited or is shown already. @param {any} rules */
export function drawKnownUser(rules) {
  const shown = known !== undefined && texts(rules ?? NONE) === texts(known ?? NONE);
  if (!shown && !isChanged() && !$("site-form").contains(document.activeElement)) fill(rules);
}

/** Show the keys of a site, this once. @param {any} keys null if none were made */
function showKeys(keys) {
  if (!keys) return;
  $("site-dialog-title").textContent = `The keys of ${keys.customer}`;
  $("site-secret").value = keys.secret;
  $("site-key").value = keys.configuration_key;
  $("site-secret-copied").textContent = "";
  $("site-dialog").showModal();
  $("site-secret").select();
}

async function save() {
  if (known === undefined) return;
  const wanted = typed(), before = known?.customer ?? wanted.customer;
  if (wanted.customer !== before && !await sure("Change the customer?", `The room speaks to ${before} no longer. If ${before} has no other room, its secret ends and its site refuses every visitor who comes from here.`, "Change it")) return;
  const now = await tell(() => admin("PUT", inRoom(PATH), { ...wanted, reason: $("site-reason").value.trim() }), "The site was saved.", "site");
  if (!now) return;
  told("site-keys");
  $("site-reason").value = "";
  fill(now.known_user);
  showKeys(now.keys);
}

async function renew() {
  const { customer } = known;
  if (!await sure("Renew the secret?", `${customer} gets another secret and configuration key, for all its rooms. The former end at once: until its connector has the new ones, the site refuses everybody who comes from here.`, "Renew it")) return;
  const now = await tell(() => admin("POST", inRoom(`${PATH}/secret`)), "The secret was renewed.", "site-keys");
  if (now) showKeys(now.keys);
}

async function disconnect() {
  if (!await sure("Disconnect the site?", `${room()} speaks to ${known.customer} no longer, and its connector can send nobody here. If it was the site’s last room, the secret ends too.`, "Disconnect it")) return;
  if (!await tell(() => admin("DELETE", inRoom(PATH)), "The room speaks to no site now.", "site")) return;
  told("site-keys");
  fill(null);
  $("site-customer").focus();
}

export function wireKnownUser() {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-copies]"))) {
    button.addEventListener("click", () => copyField(button.dataset.copies ?? "", button.closest("dialog") ? "site-secret-copied" : "site-copied"));
  }
  if (!$("site-end")) return;
  $("site-form").addEventListener("input", mark);
  $("site-form").addEventListener("submit", (/** @type {Event} */ event) => { event.preventDefault(); save(); });
  $("site-discard").addEventListener("click", () => { told("site"); fill(known); });
  $("site-renew")?.addEventListener("click", renew);
  $("site-end").addEventListener("click", disconnect);
  $("site-dialog").addEventListener("close", () => { $("site-secret").value = $("site-key").value = ""; });
}
