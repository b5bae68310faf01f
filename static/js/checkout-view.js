import { mmss } from "./format.js";
import { money } from "./money.js";

/** @param {string} id */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** Milestones only; the running digits stand outside this region. @param {string} text */
export const announce = (text) => { $("status").textContent = text; };

/** @param {string} text */
export const problem = (text) => { $("hold-problem").textContent = text; };

/** @returns {HTMLInputElement[]} */
const inputs = () => [...$("hold-form").querySelectorAll("input[type=number]")];

/** @returns {{sku: string, quantity: number}[]} what the shopper asks for */
export const chosen = () => inputs()
  .map((input) => ({ sku: input.name.slice("quantity-".length), quantity: Math.max(0, Math.floor(Number(input.value))) }))
  .filter((item) => item.quantity > 0);

/** @param {number} left seconds @param {boolean} held */
export function drawClock(left, held) {
  $("deadline").textContent = mmss(left);
  $("deadline-label").textContent = held ? "Your items are held for you for" : "Your time to choose";
  $("deadline-bar").toggleAttribute("data-urgent", left <= 60);
}

/** @param {any} hold or null when nothing is held */
export function drawHold(hold) {
  for (const id of ["held", "extend-form"]) $(id).hidden = !hold;
  $("columns").classList.toggle("has-hold", Boolean(hold));
  $("empty-note").hidden = Boolean(hold);
  $("hold-form").toggleAttribute("data-held", Boolean(hold));
  for (const field of document.querySelectorAll("input[name=hold_id]")) field.value = hold?.hold_id ?? "";
  $("pay-button").disabled = false;
  $("pay-button").textContent = hold ? `Pay ${money(hold.total_minor, hold.currency)}` : "Pay";
  if (!hold) for (const input of inputs()) input.value = "0";
  if (hold) {
    for (const input of inputs()) input.value = hold.items.find((item) => `quantity-${item.sku}` === input.name)?.quantity ?? 0;
    $("held-items").replaceChildren(...hold.items.map((item) => row(`${item.quantity} × ${item.name}`, money(item.price_minor * item.quantity, hold.currency))));
    $("total").textContent = money(hold.total_minor, hold.currency);
  }
  heldAs = JSON.stringify(chosen());
  drawButton();
}

/** @param {string} what @param {string} price */
function row(what, price) {
  const line = document.createElement("li");
  for (const text of [what, price]) line.append(Object.assign(document.createElement("span"), { textContent: text, className: "price" }));
  return line;
}

let heldAs = $("hold-form").dataset.held ? JSON.stringify(chosen()) : "";

/** With a hold the button changes it, and shows only when there is a change to make. */
function drawButton() {
  const held = $("hold-form").hasAttribute("data-held");
  $("hold-form").querySelector("h2 + p").hidden = held;
  $("hold-form").querySelector("h2").textContent = held ? "Your items" : "Choose your items";
  $("hold-button").textContent = held ? "Change the items" : "Reserve these items";
  $("hold-button").hidden = held && JSON.stringify(chosen()) === heldAs;
  for (const step of $("hold-form").querySelectorAll(".step")) step.hidden = false;
}

export function wireSteppers() {
  $("hold-form").addEventListener("click", (event) => {
    const step = event.target.closest(".step");
    if (!step) return;
    const input = step.parentElement.querySelector("input");
    const top = input.max === "" ? 99 : Number(input.max);
    input.value = String(Math.min(top, Math.max(0, (Number(input.value) || 0) + Number(step.dataset.step))));
    announce(`${input.labels[0].textContent}: ${input.value}`);
    drawButton();
  });
  $("hold-form").addEventListener("input", drawButton);
  drawButton();
}
