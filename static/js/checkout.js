import { ask, addressOf, NoAnswer } from "./api.js";
import { attempt, onceDue, settle } from "./attempt.js";
import { whileBarred } from "./busy.js";
import { tick, wind } from "./checkout-clock.js";
import { $, announce, answerWith, chosen, clearChosen, drawHolds, offerPartial, problem, spellItems, together, wireSteppers } from "./checkout-view.js";
import { askWhenOverdue, drawWaiting, expired, keepLooking, readStock, readStockSoon, watchStock } from "./checkout-wait.js";
import { explain } from "./checkout-words.js";
import { say } from "./words.js";
import { wireReturns } from "./returns.js";

const page = $("checkout"), { title } = document;
let session = JSON.parse(page.dataset.session); // As the server sent it last, with its holds and wishes.
/** Counts the acts on this page, so that an older answer undoes none. Each request names its room. */
let changes = 0, over = false;
/** Where the answer to the act under way is said. @type {"hold-problem" | "pay-problem"} */
let beside = "hold-problem";
const here = `?room=${encodeURIComponent(session.room)}`;

/** @param {any} now the session as it is now */
function keep(now) {
  session = now;
  wind("session", session.seconds_left);
  for (const hold of session.holds) wind(hold.hold_id, hold.seconds_left);
  draw();
}

function draw() {
  const waiting = session.waiting_for.length > 0;
  drawHolds(session.holds, waiting);
  drawWaiting(session.waiting_for, session.holds);
  document.title = [session.holds.length ? say("Held for you") : waiting ? say("In line") : "", title].filter(Boolean).join(" · ");
  lookAgain();
}

/** @param {any} hold as the server sent it, or null for one that is gone @param {string} id */
function put(hold, id) {
  changes += 1;
  const at = session.holds.findIndex((other) => other.hold_id === id);
  session.holds.splice(at < 0 ? session.holds.length : at, at < 0 ? 0 : 1, ...(hold ? [hold] : []));
  if (hold) wind(id, hold.seconds_left);
  readStockSoon(session.room); draw();
}

/** Tell the shopper of a refusal, and go on from the server's state. @param {any} data @param {number} status @param {string} [id] the hold's */
async function refuse(data, status, id = "") {
  if (status === 401) return location.reload();
  // A shopper who was refused because none were left may be in line for them now.
  if (data?.code === "out_of_stock") await refresh();
  if (data?.code === "hold_expired") put(null, id);
  // The payment has moved the deadline of its hold.
  if (data?.code === "payment_declined") await refresh();
  const said = explain(data, session.waiting_for.some((wish) => wish.sku === data?.sku));
  answerWith(said, session.holds.length ? beside : "hold-problem");
}

/** @param {string} method @param {string} url @param {any} body */
async function send(method, url, body) {
  const answer = await ask(method, url, { body, key: attempt(`${method} ${url}`, body) });
  settle(`${method} ${url}`);
  return answer;
}

/** Reserve the chosen units in the first hold, so that all is paid at once, or else in a new one. */
async function place(_, submitter) {
  const items = chosen(), partial = submitter?.name === "partial";
  if (!items.length) return answerWith(say("Choose at least one item first."), beside);
  const mine = partial ? null : session.holds.find((hold) => hold.state === "held");
  let answer = mine && await send("PATCH", `/checkout/holds/${mine.hold_id}${here}`, { items: together(mine.items, items) });
  // A hold that cannot grow stays as it is. A request for the missing units alone becomes a wish.
  if (!answer || answer.data?.code === "out_of_stock") answer = await send("POST", `/checkout/holds${here}`, { items, partial });
  const { ok, status, data } = answer;
  if (!ok) {
    await refuse(data, status, mine?.hold_id);
    return offerPartial(data?.code === "out_of_stock" && (items.length > 1 || data.available > 0));
  }
  const given = new Map(data.items.map((item) => [item.sku, item.quantity]));
  const all = items.every((item) => given.get(item.sku) >= item.quantity);
  put({ extensions_left: 0, ...data }, data.hold_id);
  clearChosen();
  announce(all ? say("Your items are held for you. Now pay before the time runs out.") : say("Held for you: {items}. The rest was not available.", { items: spellItems(data.items) }));
  $("pay-button").scrollIntoView({ block: "nearest", behavior: "smooth" });
  await refresh();
}

/** Change a hold, and show the result. @param {string} id @param {any} body @param {string} told */
async function alter(id, body, told) {
  const { ok, status, data } = await send("PATCH", `/checkout/holds/${id}${here}`, body);
  if (!ok) return refuse(data, status, id);
  put(data, id);
  announce(told);
}

const extend = (id) => alter(id, { extend: true }, say("You have more time."));

/** Put one unit back. */
async function change(id, _, form) {
  const { sku } = form.closest("[data-sku]").dataset;
  const items = session.holds.find((hold) => hold.hold_id === id)?.items ?? [];
  const rest = items.map((item) => ({ sku: item.sku, quantity: item.quantity - (item.sku === sku ? 1 : 0) })).filter((item) => item.quantity);
  return rest.length ? alter(id, { items: rest }, say("One was put back.")) : release(id);
}

async function release(id) {
  const { ok, status, data } = await ask("DELETE", `/checkout/holds/${id}${here}`);
  if (!ok && status !== 404 && status !== 410) return refuse(data, status, id);
  put(null, id);
  announce(say("Everything was put back. You can choose again."));
}

async function unwish() {
  const { ok, status, data } = await ask("DELETE", `/checkout/wishes${here}`);
  if (!ok) return refuse(data, status);
  changes += 1;
  session.waiting_for = [];
  draw();
  $("hold-button").focus();
  announce(say("You are no longer waiting for anything."));
}

async function pay(_, submitter) {
  const id = submitter?.value || $("pay-button").value;
  const token = new FormData($("pay-form")).get("token");
  const name = `pay ${id}`;
  const { total_minor: total, content } = session.holds.find((other) => other.hold_id === id) ?? {};
  const { ok, status, data } = await onceDue(() => ask("POST", `/checkout/orders${here}`, { body: { hold_id: id, payment: { token }, total_minor: total, content, email: $("pay-email")?.value.trim() }, key: attempt(name, `${token} ${total} ${content}`) }));
  settle(name);
  // A gateway's own script may take part.
  document.dispatchEvent(new CustomEvent("pay-answer", { detail: { status, data } }));
  if (ok && status !== 202) return location.assign(addressOf(`/checkout/orders/${data.order_id}`));
  if (data?.code === "total_changed" || data?.code === "content_changed") await refresh();
  if (!ok) return refuse(data, status, id);
  const hold = session.holds.find((other) => other.hold_id === id);
  if (hold) put({ ...hold, state: "paying" }, id);
  follow(data.order_id);
}

/** Ask for the order until the gateway has decided. @param {string} order */
async function follow(order) {
  announce(say("The payment provider is taking its time. Your items stay held meanwhile."));
  for (;;) {
    await new Promise((wake) => setTimeout(wake, 1500 + Math.random() * 500));
    const { ok, data } = await ask("GET", `/checkout/orders/${order}${here}`).catch(() => ({ ok: false, data: null }));
    if (!ok || data.status === "authorizing") continue;
    if (data.status !== "declined") return location.assign(addressOf(`/checkout/orders/${order}`));
    announce("");
    beside = "pay-problem";
    return refuse({ code: "payment_declined" }, 402);
  }
}

/** Read the session again: another tab or a pause may have changed it, and wishes may be held by now. */
async function refresh() {
  const before = changes;
  const { status, data } = await ask("GET", `/checkout/session${here}`).catch(() => ({ status: 0, data: null }));
  if ((status === 401 || status === 410) && !over) { over = true; location.reload(); }
  if (status !== 200 || over || !Array.isArray(data.holds) || !Array.isArray(data.waiting_for)) return false;
  await readStock(session.room);
  if (before !== changes) return true;
  const gone = session.holds.filter((hold) => !data.holds.some((other) => other.hold_id === hold.hold_id));
  const ranOut = await expired(gone, here);
  if (before !== changes) return true;
  const had = new Set(session.holds.map((hold) => hold.hold_id)), wished = new Set(session.waiting_for.map((wish) => wish.sku));
  const served = data.holds.filter((hold) => !had.has(hold.hold_id)).flatMap((hold) => hold.items).filter((item) => wished.has(item.sku));
  keep(data); if (gone.length) readStockSoon(session.room);
  if (ranOut.length) announce(""), problem(say("The time for {items} ran out: it went back to the line.", { items: spellItems(ranOut.flatMap((hold) => hold.items)) }));
  if (served.length) { problem(""); announce(say("{items} came free and is held for you. Pay before the time runs out.", { items: spellItems(served) })); }
  return true;
}

const lookAgain = keepLooking(refresh, () => session.waiting_for.length > 0 && !over);

// The server alone ends a hold or the session: an outage or a payment may have moved the deadline.
const overdue = askWhenOverdue(refresh);
setInterval(() => { if (!over && tick(session) <= 0) overdue(); }, 500);

const ACTIONS = { hold: place, extend, change, release, pay, unwish };

// The button waits for the answer to its request.
document.addEventListener("submit", async (event) => {
  const form = event.target, to = event.submitter?.getAttribute("formaction") ?? form.getAttribute("action");
  const act = ACTIONS[to?.match(/\/checkout\/(\w+)/)?.[1]];
  if (!act || event.defaultPrevented) return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("button:not([type=button])");
  beside = form.id === "pay-form" ? "pay-problem" : "hold-problem";
  problem("");
  try { await whileBarred(button, () => act(form.elements.namedItem("hold_id")?.value, event.submitter, form)); } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    answerWith(`${error.message} ${say("Nothing is lost: press the button again, and it will not be done twice.")}`, beside);
  } finally { button.disabled = session.holds.some((hold) => hold.state === "paying" && hold.hold_id === button.value); }
});

if ($("returns")) wireReturns(announce);
wireSteppers();
keep(session);
watchStock(session.room, draw);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
for (const type of ["online", "pageshow"]) addEventListener(type, refresh);
if (page.dataset.order) follow(page.dataset.order);
