import { NoAnswer } from "../api.js";
import { $, admin, sentence, signIn, tableRow, told } from "./api.js";
import { prepareForms, wireForms } from "./orders-refund.js";
import { toOperator } from "./orders-words.js";
import { money } from "../money.js";
import { momentOf } from "../moment.js";

/** The colour of each status that has one: under way, or over without a purchase. */
const LOOKS = { authorizing: "authorizing", authorized: "authorizing", voiding: "authorizing", returning: "authorizing", declined: "declined", cancelled: "declined" };
const EVENTS = {
  held: "Basket placed", taken_again: "Units taken again, for money that came late", payment_started: "Payment started",
  sold: "Payment authorized, units sold", paid: "Paid", declined: "Declined", cancelled: "Cancelled", called_off: "Called off",
  returned: "Back on the shelf", refund_asked: "Refund asked for", refund_done: "Refund done", refund_failed: "Refund failed",
};
const STAGES = { asked: "on its way", done: "done", failed: "failed" };

/** The order in the dialog, and the id of the one that was requested last. @type {any} */
let shown = null;
let wanted = "";

/** Return a status in the words of the filter. @param {string} status */
export function stateOf(status) {
  const word = $("status").querySelector(`option[value="${status}"]`)?.textContent ?? status;
  const made = Object.assign(document.createElement("span"), { className: "state", textContent: word });
  if (LOOKS[status]) made.dataset.state = LOOKS[status];
  return made;
}

/** @param {string} id */
export async function openOrder(id) {
  const dialog = $("order-dialog");
  wanted = id;
  if (shown?.order_id !== id) {
    $("order-title").textContent = "Order";
    $("order-body").replaceChildren();
    for (const at of ["order", "refund", "cancel"]) if ($(`${at}-told`)) told(at);
    shown = null;
    prepareForms(null);
  }
  if (!dialog.open) dialog.showModal();
  await refresh(id);
  if (dialog.open && wanted === id) $("order-title").focus();
}

export const closeOrder = () => $("order-dialog").close();

/** @param {string} id @returns {Promise<any>} the order, or null */
async function refresh(id) {
  try {
    const { ok, status, data } = await admin("GET", `/orders/${id}`);
    if (status === 401) return signIn();
    if (wanted !== id) return null;
    if (!ok) return void told("order", { problem: sentence(status, data) });
    shown = data;
    draw(data);
    prepareForms(data);
    return data;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    told("order", { problem: error.message });
    return null;
  }
}

/** @param {any} order */
function draw(order) {
  const sum = (minor) => money(minor, order.currency);
  $("order-title").textContent = `Order ${order.number}`;
  const who = order.customer?.email || (order.customer ? `${order.customer.subject} of ${order.customer.issuer}` : null);
  const pairs = [
    ["Status", stateOf(order.status)], ["Total, tax included", sum(order.total_minor)],
    ["Given back", sum(order.refunded_minor) + (order.refunding_minor ? `, and ${sum(order.refunding_minor)} on its way` : "")],
    ["Customer", who], ["Number in line", order.line_number == null ? null : String(order.line_number)], ["Session", order.session],
    ["Payment", order.payment && [order.payment.gateway, order.payment.gateway_ref].filter(Boolean).join(" ")], ["Order id", order.order_id],
  ];
  const lines = order.items.map((item) => [item.name, item.sku, String(item.quantity), sum(item.price_minor), sum(item.quantity * item.price_minor),
    [item.refunded && `${item.refunded} refunded`, item.returned && `${item.returned} back on the shelf`, item.refunded_minor && sum(item.refunded_minor)].filter(Boolean).join(", ") || "–"]);
  const refunds = order.refunds.map((refund) => [momentOf(refund.asked_at), sum(refund.amount_minor), STAGES[refund.status] ?? refund.status,
    refund.items.map((item) => `${item.quantity} × ${item.sku}`).join(", ") || "goodwill",
    [refund.who, refund.reason, refund.by_hand && "given back by other means", refund.detail && toOperator(refund.detail)].filter(Boolean).join(", ") || "–"]);
  $("order-body").replaceChildren(
    ...(order.detail ? [Object.assign(document.createElement("p"), { className: "why", textContent: toOperator(order.detail) })] : []),
    facts(pairs), ...table("Items", ["Item", "SKU", "Units", "Each", "Amount", "Given back"], lines),
    ...(refunds.length ? table("Refunds", ["Asked for", "Amount", "State", "For", "Who and why"], refunds) : []), ...timeline(order, sum),
  );
}

/** @param {[string, string | Node | null][]} pairs */
function facts(pairs) {
  const list = Object.assign(document.createElement("dl"), { className: "facts" });
  for (const [name, value] of pairs) {
    if (!value) continue;
    const box = document.createElement("div"), said = document.createElement("dd");
    said.append(value);
    box.append(Object.assign(document.createElement("dt"), { textContent: name }), said);
    list.append(box);
  }
  return list;
}

/** @param {string} title @param {string[]} heads @param {string[][]} rows */
function table(title, heads, rows) {
  const head = document.createElement("tr"), made = document.createElement("table"), box = Object.assign(document.createElement("div"), { className: "scroll" });
  for (const text of heads) head.append(Object.assign(document.createElement("th"), { scope: "col", textContent: text }));
  made.createTHead().append(head);
  made.createTBody().append(...rows.map(tableRow));
  made.setAttribute("aria-label", title);
  made.className = "pinned";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `${title} of the order`);
  box.append(made);
  return [Object.assign(document.createElement("h3"), { textContent: title }), box];
}

/** @param {any} order @param {(minor: number) => string} sum */
function timeline(order, sum) {
  const list = Object.assign(document.createElement("ol"), { className: "timeline" });
  for (const event of order.timeline) {
    const item = document.createElement("li"), at = Object.assign(document.createElement("time"), { dateTime: event.at, textContent: new Date(event.at).toLocaleString(document.documentElement.lang || "en", { dateStyle: "medium", timeStyle: "medium" }) });
    const what = [EVENTS[event.what] ?? event.what, event.units && `${event.units} × ${event.sku}`, event.amount_minor != null && sum(event.amount_minor)].filter(Boolean).join(", ");
    const why = [event.who && `by ${event.who}`, event.why && toOperator(event.why)].filter(Boolean).join(": ");
    item.append(at, ` ${what}`, ...(why ? [Object.assign(document.createElement("span"), { className: "small", textContent: ` ${why}` })] : []));
    list.append(item);
  }
  return [Object.assign(document.createElement("h3"), { textContent: "What happened" }), list];
}

/** @param {(order: any) => void} redraw its row in the list @param {() => void} closed */
export function wireOrder(redraw, closed) {
  $("order-dialog").querySelector("[data-close]").addEventListener("click", closeOrder);
  $("order-dialog").addEventListener("close", closed);
  wireForms(async (order) => {
    const now = await refresh(order.order_id);
    if (now) redraw(now);
  });
}
