import { $, admin, inRoom, tableRow, tell } from "./api.js";
import { attempt, settle } from "../attempt.js";
import { count } from "../format.js";

/** The rows stay in place between refreshes, so that typing in one is never interrupted. @type {Map<string, Node[]>} */
const cells = new Map();

export async function refreshStock() {
  const { ok, data } = await admin("GET", inRoom("/skus"));
  if (ok) data.skus.forEach(drawSku);
}

/** @param {any} sku */
function drawSku(sku) {
  const figures = [sku.on_hand, sku.sold, sku.held, sku.available].map((n) => (n == null ? "–" : count(n)));
  let texts = cells.get(sku.sku);
  if (!texts) {
    texts = figures.map(() => document.createTextNode(""));
    cells.set(sku.sku, texts);
    $("stock-rows").append(tableRow([sku.name, ...texts, movementForm(sku)]));
  }
  texts.forEach((text, i) => { if (text.textContent !== figures[i]) text.textContent = figures[i]; });
}

/** @param {any} sku */
function movementForm(sku) {
  const form = document.createElement("form");
  form.className = "tools";
  form.dataset.sku = sku.sku;
  const kind = document.createElement("select");
  kind.name = "kind";
  kind.append(new Option("Received", "received"), new Option("Adjusted", "adjusted"));
  kind.setAttribute("aria-label", `${sku.name}: kind of movement`);
  const quantity = Object.assign(document.createElement("input"), { type: "number", name: "quantity", required: true, placeholder: "±" });
  quantity.setAttribute("aria-label", `${sku.name}: units, negative to take away`);
  const reason = Object.assign(document.createElement("input"), { name: "reason", placeholder: "Reason" });
  reason.setAttribute("aria-label", `${sku.name}: reason`);
  const save = Object.assign(document.createElement("button"), { textContent: "Book" });
  if ($("admin").dataset.role === "viewer") save.disabled = true;
  form.append(kind, quantity, reason, save);
  return form;
}

export function wireStock() {
  $("stock-rows").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const fields = new FormData(form);
    const body = { kind: fields.get("kind"), quantity: Number(fields.get("quantity")), reason: fields.get("reason") };
    const path = `/skus/${encodeURIComponent(form.dataset.sku ?? "")}/movements`;
    // Until an answer has come, the same movement keeps its key, so that it never counts twice.
    const sku = await tell(async () => {
      const answer = await admin("POST", path, body, attempt(path, body));
      settle(path);
      return answer;
    }, "The movement was booked.", "stock");
    if (!sku) return;
    form.reset();
    refreshStock().catch(() => {});
  });
}
