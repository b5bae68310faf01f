import { admin, refuse, sentence, signIn, told } from "./api.js";
import { addressOf, NoAnswer } from "../api.js";
import { attempt, settle } from "../attempt.js";
import { field, textOf } from "./goods-fields.js";
import { changedWords, movedWords } from "./goods-words.js";
import { count, plural } from "../format.js";
import { momentOf } from "../moment.js";

const PAGE = 20;
const ROLE = document.getElementById("admin")?.dataset.role;

/** Say how a SKU's stock stands. @param {any} sku */
export const figuresOf = ({ on_hand, sold, held, available }) =>
  `${plural(on_hand, "unit")} in all: ${count(sold)} sold, ${count(held)} in baskets, ${count(available)} left to sell.`;

/** Return the movement that a form asks for, or null after saying what is missing. @param {HTMLFormElement} form @param {string} at */
function wish(form, at) {
  const kind = field(form, "kind").value, units = Number(field(form, "quantity").value), reason = textOf(form, "reason");
  if (kind !== "received" && !reason) return void refuse(at, "reason", "Say why; it goes on record.");
  const override = kind === "gone" && field(form, "override").checked;
  return { kind: kind === "received" ? kind : "adjusted", quantity: kind === "gone" ? -units : units, reason, override };
}

/**
 * Let a form book movements of one SKU. Until an answer has come a movement keeps its key, so it never counts twice.
 * @param {HTMLFormElement} form @param {string} sku @param {(sku: any) => void} booked
 */
export function wireStock(form, sku, booked) {
  const at = `${sku}-stock`, path = `/skus/${encodeURIComponent(sku)}/movements`;
  const hide = () => { /** @type {any} */ (form.querySelector("[data-override]")).hidden = true; field(form, "override").checked = false; };
  field(form, "kind").addEventListener("change", hide);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    told(at);
    const body = wish(form, at);
    if (!body) return;
    try {
      const { ok, status, data } = await admin("POST", path, body, attempt(path, body));
      settle(path);
      if (status === 401) return signIn();
      if (!ok) {
        if (data?.code === "below_committed" && ROLE !== "seller") /** @type {any} */ (form.querySelector("[data-override]")).hidden = false;
        return told(at, { problem: sentence(status, data) });
      }
      form.reset();
      hide();
      told(at, { done: `${movedWords({ ...body, who: "You" })}. ${plural(data.available, "unit")} left to sell.` });
      booked(data);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      told(at, { problem: `${error.message} It may or may not have been booked. Press the button again: it is booked only once.` });
    }
  });
}

/** @param {string} at @param {string} words */
function line(at, words) {
  const item = document.createElement("li");
  item.append(Object.assign(document.createElement("time"), { dateTime: at, textContent: momentOf(at) }), ` ${words} `);
  return item;
}

/** @param {any} move */
function moveLine(move) {
  const item = line(move.at, movedWords(move));
  if (move.order_id) {
    const room = encodeURIComponent(document.getElementById("admin")?.dataset.room ?? "");
    item.append(Object.assign(document.createElement("a"), { href: addressOf(`/admin/screens/${room}/orders#${move.order_id}`), textContent: "Order" }));
  }
  return item;
}

/**
 * Let a box list what there is on record, newest first, whenever it is opened.
 * @param {HTMLDetailsElement} box @param {string} path @param {string} older the parameter of the cursor
 * @param {(data: any) => HTMLElement[]} lines @returns {() => void} reads it again if it is open
 */
function wireRecord(box, path, older, lines) {
  const list = /** @type {HTMLElement} */ (box.querySelector("ol")), more = /** @type {any} */ (box.querySelector("[data-older]"));
  const read = async (cursor) => {
    const query = new URLSearchParams({ limit: String(PAGE), ...(cursor && { [older]: cursor }) });
    const { ok, status, data } = await admin("GET", `${path}?${query}`).catch((error) => ({ ok: false, status: 0, data: { detail: error.message } }));
    if (status === 401) return signIn();
    if (!ok) return list.replaceChildren(Object.assign(document.createElement("li"), { textContent: sentence(status, data) }));
    if (!cursor) list.replaceChildren();
    list.append(...lines(data));
    if (!list.children.length) list.append(Object.assign(document.createElement("li"), { textContent: "Nothing yet." }));
    more.hidden = !data.next;
    more.onclick = () => read(data.next);
  };
  box.addEventListener("toggle", () => { if (box.open) read(); });
  return () => { if (box.open) read(); };
}

/** List what moved a SKU's stock, and what was changed of it. @param {HTMLElement} box @param {string} sku @returns {() => void} reads what is open again */
export function wireRecords(box, sku) {
  const path = `/skus/${encodeURIComponent(sku)}`;
  const moves = wireRecord(/** @type {any} */ (box.querySelector("[data-moves]")), `${path}/movements`, "before", (data) => data.movements.map(moveLine));
  const changes = wireRecord(/** @type {any} */ (box.querySelector("[data-changes]")), `${path}/changes`, "cursor",
    (data) => data.changes.map((change) => line(change.at, changedWords(change))));
  return () => { moves(); changes(); };
}
