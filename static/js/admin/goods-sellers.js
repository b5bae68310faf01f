import { $, admin, inRoom, sure, tableRow, tell } from "./api.js";
import { count } from "../format.js";

/** What the table shows. It is drawn again only when that changes, so that a focused button stays. */
let shown = "";

export async function refreshSellers() {
  const { ok, data } = await admin("GET", inRoom("/sellers"));
  if (ok) draw(data.sellers);
}

/** @param {any[]} sellers */
function draw(sellers) {
  if (JSON.stringify(sellers) === shown) return;
  shown = JSON.stringify(sellers);
  $("sellers-box").hidden = !sellers.length;
  $("seller-rows").replaceChildren(...sellers.map(({ seller, admitted, available }) => tableRow(
    [seller, admitted ? "Sells here" : "Not admitted", count(available), ...($("seller-form") ? [change(seller, admitted)] : [])])));
}

/** @param {string} seller @param {boolean} admitted */
function change(seller, admitted) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: admitted ? "Withdraw" : "Admit" });
  button.setAttribute("aria-label", `${button.textContent} ${seller}`);
  button.addEventListener("click", async () => {
    if (admitted && !await sure(`Withdraw ${seller}?`, "Their products are no longer shown or sold in this room, and no call counts on them. Baskets and orders that are there stay.", "Withdraw")) return;
    await put(seller, !admitted);
  });
  return button;
}

/** @param {string} seller @param {boolean} admitted */
async function put(seller, admitted) {
  const answer = await tell(() => admin("PUT", inRoom(`/sellers/${encodeURIComponent(seller)}`), { admitted }),
    admitted ? `${seller} sells in this room.` : `${seller} no longer sells in this room.`, "sellers");
  if (answer) draw(answer.sellers);
  return answer;
}

export function wireSellers() {
  $("seller-form")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await put($("seller-name").value.trim(), true)) $("seller-form").reset();
  });
}
