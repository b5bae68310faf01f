import { ask } from "./api.js";

const order = document.getElementById("order");
// A page that was opened by its link has the key of the link in its address.
const url = `/checkout/orders/${order?.dataset.order}${location.search}`;
// A payment is decided within seconds; money takes longer to go back.
const everyMs = order?.dataset.status === "returning" ? 30_000 : 1500;

/** Load the page again once the order has moved on. */
async function look() {
  const answer = await ask("GET", url).catch(() => null);
  const status = answer?.ok && answer.data.status;
  if (status && status !== order?.dataset.status) location.reload();
}

async function follow() {
  if (!document.hidden) await look();
  setTimeout(follow, everyMs + Math.random() * 500);
}
document.addEventListener("visibilitychange", () => document.hidden || look());
follow();
