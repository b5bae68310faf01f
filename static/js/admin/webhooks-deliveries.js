import { $, admin, tableRow, tell, told } from "./api.js";
import { mayRead, momentOf, readMoment, watchMoment } from "../moment.js";

const PAGE = 25;
const ANSWER_SHOWN = 120;
const LOOKS = { pending: "authorizing", failed: "declined" };

/** @type {number | null} */
let endpoint = null;
/** The cursor of the next older page; nothing is refreshed while an operator reads older ones. @type {string | null} */
let older = null;
let paged = false, maySend = false, drawn = "";

export const shownEndpoint = () => endpoint;

/** @param {number} id @param {string} name */
export async function showDeliveries(id, name) {
  endpoint = id;
  paged = false;
  drawn = "";
  $("deliveries").hidden = false;
  $("deliveries-title").textContent = `Deliveries to ${name}`;
  await refreshDeliveries();
  $("deliveries-title").focus();
}

/** Read the newest page, unless the operator reads older ones. */
export async function refreshDeliveries() {
  if (paged) return;
  const page = await read(null);
  const now = JSON.stringify(page);
  if (!page || now === drawn) return;
  drawn = now;
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
  $("delivery-rows").replaceChildren(...(page.deliveries.length ? page.deliveries.map(row) : [tableRow(["None."])]));
  if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
  follow(page.next);
}

/** @param {string | null} cursor */
async function read(cursor) {
  const asked = endpoint, state = $("state").value;
  const query = new URLSearchParams({ limit: String(PAGE), ...(state && { state }), ...(cursor && { cursor }) });
  const { ok, data } = await admin("GET", `/webhooks/${asked}/deliveries?${query}`);
  return ok && asked === endpoint && state === $("state").value ? data : null;
}

/** @param {string | null} next */
function follow(next) {
  older = next;
  $("more").hidden = !next;
}

/** @param {any} delivery */
function row(delivery) {
  const event = document.createElement("details");
  event.append(Object.assign(document.createElement("summary"), { textContent: delivery.kind }),
    Object.assign(document.createElement("p"), { className: "small", textContent: `${delivery.webhook_id}, ${momentOf(delivery.at)}` }),
    Object.assign(document.createElement("p"), { className: "small", textContent: JSON.stringify(delivery.data) }));
  const state = Object.assign(document.createElement("span"), { className: "state", textContent: delivery.sending ? "being sent" : delivery.state });
  if (LOOKS[delivery.state]) state.dataset.state = LOOKS[delivery.state];
  const answer = [delivery.status, delivery.answer.slice(0, ANSWER_SHOWN)].filter(Boolean).join(" ") || "–";
  const due = delivery.state === "pending" && !delivery.sending && delivery.attempts ? `again ${momentOf(delivery.due_at)}` : "";
  const again = Object.assign(document.createElement("button"), { type: "button", textContent: "Send again" });
  again.dataset.key = `replay-${delivery.delivery_id}`;
  again.disabled = !maySend || delivery.sending;
  again.addEventListener("click", () => replay(delivery.delivery_id));
  return tableRow([event, state, String(delivery.attempts), answer, due || (delivery.tried_at ? momentOf(delivery.tried_at) : "–"), again]);
}

/** @param {number} id */
async function replay(id) {
  if (await tell(() => admin("POST", `/deliveries/${id}/replay`), "It is sent again.", "deliveries")) await newest();
}

async function newest() {
  paged = false;
  drawn = "";
  await refreshDeliveries().catch(() => {});
}

/** @param {boolean} mayReplay */
export function wireDeliveries(mayReplay) {
  maySend = mayReplay;
  $("replay-form").hidden = !maySend;
  watchMoment($("since"));
  $("state").addEventListener("change", newest);
  $("more").addEventListener("click", async () => {
    const page = await read(older).catch(() => null);
    if (!page) return;
    paged = true;
    $("delivery-rows").append(...page.deliveries.map(row));
    follow(page.next);
  });
  $("replay-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!mayRead($("since"))) return;
    const since = readMoment($("since"));
    const answer = await tell(() => admin("POST", `/webhooks/${endpoint}/replay`, { since }), "Failed deliveries are sent again.", "deliveries");
    if (!answer) return;
    told("deliveries", { done: answer.replayed ? `${answer.replayed} are sent again${answer.more ? "; there are more: replay once more" : ""}.` : "Nothing has failed since then." });
    await newest();
  });
}
