import { ask, NoAnswer } from "./api.js";
import { attempt, settle } from "./attempt.js";
import { countdown } from "./clock.js";
import { plural } from "./format.js";
import { $, announce, chosen, drawClock, drawHold, problem, wireSteppers } from "./checkout-view.js";

const page = $("checkout");
const { room } = page.dataset;
let holdId = page.dataset.hold ?? "";
let sessionLeft = countdown(Number(page.dataset.sessionLeft));
let holdLeft = holdId ? countdown(Number(page.dataset.holdLeft)) : null;
let paying = Boolean(page.dataset.order), warnedAt = Infinity, over = false;

/** @param {any} hold as the server told it, or null when nothing is held */
function keep(hold) {
  holdId = hold?.hold_id ?? "";
  holdLeft = hold ? countdown(hold.seconds_left) : null;
  warnedAt = Infinity;
  drawHold(hold);
}

/** Say what was refused, and carry on from what the server has. @param {any} data @param {number} status */
function refuse(data, status) {
  if (status === 401) return location.reload();
  const name = $(`q-${data?.sku}`)?.labels?.[0]?.textContent;
  const told = {
    out_of_stock: () => `${name}: ${data.available ? `only ${plural(data.available, "item")} left` : "none is free right now"}. Nothing was changed; choose a smaller number or something else.`,
    limit_reached: () => `${name}: at most ${data.limit} for each shopper.`,
    hold_expired: () => "The time for these items ran out, and they went back to the line. You can choose again while your session lasts.",
    extension_refused: () => "The time cannot be extended any further, so that everyone waiting gets a turn.",
    payment_declined: () => "The payment was declined and nothing was charged. Your items are still held: you can try again.",
  }[data?.code];
  problem(told ? told() : [data?.title, data?.detail].filter(Boolean).join(": ") || "That did not work.");
  if (data?.code === "hold_expired") keep(null);
}

/** Send one change; the buttons wait for its answer. @param {string} id @param {() => Promise<void>} change */
function onSubmit(id, change) {
  $(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter ?? $(id).querySelector("button:not([type=button])");
    button.disabled = true;
    problem("");
    try { await change(); } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      problem(`${error.message} Nothing is lost: press the button again, and it will not be done twice.`);
    } finally { button.disabled = paying && button.id === "pay-button"; }
  });
}

async function placeHold() {
  const items = chosen();
  if (!items.length) return holdId ? release() : problem("Choose at least one item first.");
  const url = holdId ? `/checkout/holds/${holdId}` : "/checkout/holds";
  const key = attempt(`hold ${url}`, items);
  const { ok, status, data } = await ask(holdId ? "PATCH" : "POST", url, { body: { items }, key });
  settle(`hold ${url}`);
  if (!ok) return refuse(data, status);
  const first = !holdId;
  keep(data);
  announce(first ? "Your items are held for you. Now pay before the time runs out." : "Your items were changed.");
  if (first) $("pay-button").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

async function extend() {
  const { ok, status, data } = await ask("PATCH", `/checkout/holds/${holdId}`, { body: { extend: true } });
  if (!ok) return refuse(data, status);
  keep(data);
  announce("You have more time.");
}

async function release() {
  const { ok, status, data } = await ask("DELETE", `/checkout/holds/${holdId}`);
  if (!ok && status !== 404 && status !== 410) return refuse(data, status);
  keep(null);
  announce("Everything was put back. You can choose again.");
}

async function pay() {
  const token = new FormData($("pay-form")).get("token");
  const name = `pay ${holdId}`;
  const { ok, status, data } = await ask("POST", "/checkout/orders", { body: { hold_id: holdId, payment: { token } }, key: attempt(name, token) });
  settle(name);
  if (status === 202) return follow(data.order_id);
  if (ok) return location.assign(`/checkout/orders/${data.order_id}`);
  refuse(data, status);
}

/** Ask for the order until the gateway has decided. @param {string} id */
async function follow(id) {
  paying = true;
  $("pay-button").disabled = true;
  $("pay-button").textContent = "Waiting for the payment";
  announce("The payment provider is taking its time. Your items stay held meanwhile.");
  for (;;) {
    await new Promise((wake) => setTimeout(wake, 1500 + Math.random() * 500));
    const { ok, data } = await ask("GET", `/checkout/orders/${id}`).catch(() => ({ ok: false, data: null }));
    if (!ok || data.status === "authorizing") continue;
    if (data.status !== "declined") return location.assign(`/checkout/orders/${id}`);
    return location.reload();
  }
}

/** Another tab, a sleep or the network may have changed things. */
async function refresh() {
  if (paying || over) return;
  const { status, data } = await ask("GET", `/checkout/session?room=${encodeURIComponent(room)}`).catch(() => ({ status: 0, data: null }));
  if (status === 401 || status === 410) return location.reload();
  if (status !== 200) return;
  sessionLeft = countdown(data.seconds_left);
  const held = data.holds.find((hold) => hold.state === "held" && hold.seconds_left > 0) ?? null;
  if (held && held.hold_id === holdId) holdLeft = countdown(held.seconds_left);
  else if (held || holdId) keep(held);
}

setInterval(() => {
  const left = (holdLeft ?? sessionLeft)();
  drawClock(left, Boolean(holdLeft));
  for (const mark of [60, 20]) {
    if (left > mark || left <= 0 || warnedAt <= mark) continue;
    warnedAt = left <= 20 ? 20 : mark;
    announce(`${warnedAt} seconds left.${holdLeft ? " You can extend the time." : ""}`);
    break;
  }
  if (left > 0 || over || paying) return;
  if (holdLeft) { problem("The time for these items ran out, and they went back to the line."); keep(null); refresh(); } else { over = true; location.reload(); }
}, 500);

onSubmit("hold-form", placeHold);
onSubmit("extend-form", extend);
onSubmit("release-form", release);
onSubmit("pay-form", pay);
wireSteppers();
document.addEventListener("visibilitychange", () => document.hidden || refresh());
for (const type of ["online", "pageshow"]) addEventListener(type, refresh);
if (page.dataset.order) follow(page.dataset.order);
