import { admin, fillRows, inRoom } from "./api.js";
import { timeOfDay } from "../format.js";
import { money } from "../money.js";
import { inZoneHere } from "../moment.js";

const ROWS_MAX = 12;
const STATES = { authorizing: "In payment", paid: "Paid", declined: "Declined", cancelled: "Cancelled", refunded: "Refunded", partly_refunded: "Partly refunded", returning: "Money on its way back", authorized: "Authorized", voiding: "Being cancelled" };

export async function refreshLists() {
  const [orders, actions] = await Promise.all([admin("GET", inRoom(`/orders?limit=${ROWS_MAX}`)), admin("GET", inRoom("/actions"))]);
  if (orders.ok) fillRows("order-rows", orders.data.orders.map(orderCells), "No orders yet.");
  if (actions.ok) fillRows("action-rows", actions.data.actions.slice(0, ROWS_MAX).map(actionCells), "No actions yet.");
}

/** @param {any} order */
const orderCells = (order) => [
  order.number, STATES[order.status] ?? order.status,
  order.items.map((item) => `${item.quantity} × ${item.name}`).join(", "),
  money(order.total_minor, order.currency), timeOfDay(order.paid_at ?? order.created_at),
];

/** @param {any} action */
const actionCells = ({ at, sentence, reason }) => [timeOfDay(at), reason ? `${inZoneHere(sentence)} (${reason})` : inZoneHere(sentence)];
