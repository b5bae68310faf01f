import { ask } from "./api.js";

const order = document.getElementById("order");
const url = `/checkout/orders/${order?.dataset.order}`;

/** Ask until the payment is decided, then show the page anew. */
async function follow() {
  const answer = await ask("GET", url).catch(() => null);
  if (answer?.ok && answer.data.status !== order?.dataset.status) return location.reload();
  setTimeout(follow, 1500 + Math.random() * 500);
}
follow();
