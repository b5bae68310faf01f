import { addressOf, NoAnswer } from "../api.js";
import { $, admin, inRoom, sentence, signIn, tableRow, told } from "./api.js";
import { closeOrder, openOrder, stateOf, wireOrder } from "./orders-order.js";
import { confirmed } from "./proof.js";
import { plural } from "../format.js";
import { money } from "../money.js";
import { mayRead, momentOf, readMoment, setMoment, watchMoment } from "../moment.js";

const PAGE = 50;
const FIELDS = ["q", "status", "sku", "from", "to"];
const TIMES = new Set(["from", "to"]);
const SELLER = $("admin").dataset.role === "seller";

const HEADS = ["", "", "", "", "Given back", ...(SELLER ? [] : ["Customer"]), ""];

/** @type {string | null} */
let older = null;
let shown = 0, asked = 0;

/** Return the form's fields as the server reads them. @returns {URLSearchParams} */
function wanted() {
  const query = new URLSearchParams();
  for (const name of FIELDS) {
    const value = TIMES.has(name) ? readMoment($(name)) : $(name).value.trim();
    if (value) query.set(name, value);
  }
  return query;
}

/** Put the search into the address, so that it can be kept and sent to a colleague. */
function remember() {
  const query = wanted();
  history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`);
  $("csv").href = addressOf(`/admin${inRoom(`/orders.csv?${wanted()}`)}`);
}

/** @param {string} name @param {string} value */
function fill(name, value) {
  if (TIMES.has(name)) setMoment($(name), value);
  else $(name).value = value;
}

const mayAsk = () => mayRead(...[...TIMES].map($));

function recall() {
  const query = new URLSearchParams(location.search);
  for (const name of FIELDS) fill(name, query.get(name) ?? "");
}

/** @param {string | null} cursor null for the newest @returns {Promise<any>} null when it was overtaken or refused */
async function read(cursor) {
  const turn = ++asked, query = wanted();
  query.set("limit", String(PAGE));
  if (cursor) query.set("cursor", cursor);
  told("orders");
  try {
    const { ok, status, data } = await admin("GET", inRoom(`/orders?${query}`));
    if (status === 401) return signIn();
    if (turn !== asked) return null;
    if (ok) return data;
    told("orders", { problem: sentence(status, data) });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    told("orders", { problem: error.message });
  }
  return null;
}

async function search() {
  if (!mayAsk()) return;
  remember();
  const page = await read(null);
  if (!page) return;
  shown = 0;
  $("order-rows").replaceChildren();
  add(page);
}

/** @param {any} page */
function add(page) {
  $("order-rows").append(...page.orders.map(row));
  shown += page.orders.length;
  older = page.next;
  $("more").hidden = !older;
  $("found").textContent = shown ? `${plural(shown, "order")}${older ? ", and there are more" : ""}` : [...new FormData($("filter")).values()].some(Boolean) ? "No orders like that." : "No orders yet.";
  $("orders-table").parentElement.hidden = !shown;
}

/** @param {any} order */
function row(order) {
  const open = Object.assign(document.createElement("a"), { href: `#${order.order_id}`, textContent: order.number });
  const back = order.refunded_minor ? money(order.refunded_minor, order.currency) : "–";
  const coming = order.refunding_minor ? ` (${money(order.refunding_minor, order.currency)} on its way)` : "";
  const cells = [
    open, stateOf(order.status), order.items.map((item) => `${item.quantity} × ${item.name}`).join(", "),
    money(order.total_minor, order.currency), back + coming, ...(SELLER ? [] : [order.customer_email || "–"]), momentOf(order.created_at),
  ];
  const made = tableRow(cells);
  // On a phone a row is a card, and its cells have no heads.
  [...made.cells].forEach((cell, i) => { cell.dataset.head = HEADS[i] ?? ""; });
  made.dataset.order = order.order_id;
  return made;
}

/** Replace the row of an order that was changed, in its place. @param {any} order */
function redraw(order) {
  const old = document.querySelector(`tr[data-order="${order.order_id}"]`);
  old?.replaceWith(row(order));
}

/** Open the order that the address names. */
function follow() {
  const id = location.hash.slice(1);
  if (/^[0-9a-f-]{36}$/.test(id)) openOrder(id);
  else closeOrder();
}

$("filter").addEventListener("submit", (event) => { event.preventDefault(); search(); });
$("clear").addEventListener("click", () => {
  for (const name of FIELDS) fill(name, "");
  search();
});
$("status").addEventListener("change", search);
$("csv").addEventListener("click", async (event) => {
  event.preventDefault();
  if (await confirmed()) location.assign($("csv").href);
});
$("more").addEventListener("click", async () => {
  const page = mayAsk() ? await read(older) : null;
  if (!page) return;
  const first = $("order-rows").children.length;
  add(page);
  $("order-rows").children[first]?.querySelector("a")?.focus();
});
window.addEventListener("hashchange", follow);
for (const name of TIMES) watchMoment($(name));
wireOrder(redraw, () => history.replaceState(null, "", location.pathname + location.search));
recall();
$("more-filters").open = matchMedia("(min-width: 40rem)").matches || ["sku", "from", "to"].some((name) => $(name).value);
search();
follow();
