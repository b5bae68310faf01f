import { NoAnswer } from "../api.js";
import { whileBarred } from "../busy.js";
import { $, admin, refuse, sentence, signIn, told } from "./api.js";
import { attempt, settle } from "../attempt.js";
import { minorOf, money } from "../money.js";

/** States of an order that can still be called off. */
const OPEN = new Set(["authorizing", "authorized", "voiding", "paid"]);
/** The pause between looks at a refund on its way, and the number of looks. */
const LOOK_MS = 2000, LOOKS_MAX = 5;

/** @type {any} */
let order = null;

/** Return the money that can still be given back, in minor units. */
const left = () => order.total_minor - order.refunded_minor - order.refunding_minor;

/** Show the forms that fit an order; null hides them. @param {any} now */
export function prepareForms(now) {
  if (!$("refund-box")) return;
  const other = now?.order_id !== order?.order_id;
  order = now;
  const units = (now?.items ?? []).some((item) => item.quantity > item.refunded);
  $("refund-box").hidden = !(now && (now.state === "paid" || now.state === "returning") && (left() > 0 || units));
  $("cancel-box").hidden = !(now && OPEN.has(now.state) && !(now.called_off && now.state !== "paid"));
  if (other) for (const id of ["refund", "cancel"]) { $(`${id}-form`).reset(); $(`${id}-box`).open = false; }
  $("refund-lines").replaceChildren(...(now?.items ?? []).map(unitField));
  say();
}

/** @param {any} item */
function unitField(item) {
  const label = document.createElement("label"), can = item.quantity - item.refunded;
  const field = Object.assign(document.createElement("input"), { type: "number", min: "0", max: String(can), value: "0", disabled: !can });
  field.dataset.sku = item.sku;
  label.className = "knob";
  label.append(Object.assign(document.createElement("span"), { textContent: `${item.name}, ${money(item.price_minor, order.currency)} each, ${can} left` }), field);
  return label;
}

const what = () => /** @type {any} */ (document.querySelector("[name=what]:checked"))?.value;
const restock = (name) => /** @type {any} */ (document.querySelector(`[name=${name}]:checked`))?.value === "yes";
const chosen = () => /** @type {HTMLInputElement[]} */ ([...$("refund-lines").querySelectorAll("input")])
  .map((field) => ({ sku: field.dataset.sku ?? "", quantity: Number(field.value) })).filter((item) => item.quantity > 0);

/** Return the money that the form would give back, in minor units; null while it is incomplete. @returns {number | null} */
function amount() {
  if (what() === "full") return left();
  if (what() === "amount") return minorOf($("refund-amount").value, order.currency);
  const prices = new Map(order.items.map((item) => [item.sku, item.price_minor]));
  const worth = chosen().reduce((sum, item) => sum + item.quantity * prices.get(item.sku), 0);
  return chosen().length ? Math.min(worth, left()) : null;
}

/** Show the fields that the form needs, and on the button how much money it gives back. */
function say() {
  const kind = order && what();
  $("refund-units").hidden = kind !== "units";
  $("refund-amount-box").hidden = kind !== "amount";
  $("refund-restock").hidden = kind !== "units" && kind !== "full";
  $("refund-amount").required = kind === "amount";
  for (const box of document.querySelectorAll("[name=restock]")) /** @type {any} */ (box).required = kind === "units" || kind === "full";
  if (!order) return;
  $("refund-left").textContent = `${money(left(), order.currency)} left to give back.`;
  const minor = kind ? amount() : null;
  $("refund-go").textContent = minor == null ? "Give back" : `Give back ${money(minor, order.currency)}`;
}

/** Return the body of the refund, or null after telling the operator what is missing. */
function wish() {
  const body = { reason: $("refund-reason").value.trim(), by_hand: $("refund-by-hand").checked };
  const minor = amount();
  if (!body.reason) return void refuse("refund", "refund-reason", "Say why; it goes on record.");
  if (what() === "full") return { ...body, full: true, restock: restock("restock") };
  if (what() === "amount") {
    if (!minor || minor > left()) return void refuse("refund", "refund-amount", `Type an amount of up to ${money(left(), order.currency)}, such as 12.50.`);
    return { ...body, amount_minor: minor };
  }
  if (!chosen().length) return void told("refund", { problem: "Enter how many units of which item." });
  // After earlier goodwill less money may be left than the units cost.
  const worth = order.items.reduce((sum, item) => sum + item.price_minor * (chosen().find((c) => c.sku === item.sku)?.quantity ?? 0), 0);
  return { ...body, items: chosen(), restock: restock("restock"), ...(worth > left() && left() > 0 ? { amount_minor: left() } : {}) };
}

/**
 * Send a change under a key of its own until it is answered; a repeat of the same change finds the first.
 * @param {string} at the name of the place for its outcome @param {string} kind @param {any} body @param {HTMLButtonElement} button @param {string} done
 * @returns {Promise<boolean>} whether it was made
 */
async function send(at, kind, body, button, done) {
  const url = `/orders/${order.order_id}/${kind}`, name = `${kind} ${order.order_id}`;
  told(at);
  try {
    const { ok, status, data } = await whileBarred(button, () => admin("POST", url, body, attempt(name, body)));
    settle(name);
    if (status === 401) { signIn(); return false; }
    told(at, ok ? { done: status === 202 ? `${done} The payment provider has not answered yet.` : done } : { problem: sentence(status, data) });
    return ok;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    told(at, { problem: `${error.message} It may or may not have been done. Press the button again: it is done only once.` });
    return false;
  }
}

/** @param {(order: any) => Promise<void>} changed */
export function wireForms(changed) {
  if (!$("refund-form")) return;
  $("refund-form").addEventListener("input", say);
  wire("refund", "refunds", wish, () => `${money(amount() ?? 0, order.currency)} goes back to the shopper.`, changed);
  wire("cancel", "cancel", () => ({ reason: $("cancel-reason").value.trim(), restock: restock("cancel-restock") }), () => "The order is cancelled.", changed);
}

/** @param {string} id @param {string} kind @param {() => any} make @param {() => string} done @param {(order: any) => Promise<void>} changed */
function wire(id, kind, make, done, changed) {
  $(`${id}-form`).addEventListener("submit", async (event) => {
    event.preventDefault();
    const about = order, body = make();
    if (!body || !await send(id, kind, body, $(`${id}-go`), done())) return;
    $(`${id}-form`).reset();
    $(`${id}-box`).open = false;
    for (let looks = 0; looks < LOOKS_MAX && order?.order_id === about.order_id; looks++) {
      await changed(about);
      if (!order?.refunding_minor && order?.state !== "voiding" && order?.state !== "returning") return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  });
}
