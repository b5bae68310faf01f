import { mmss } from "./format.js";
import { money } from "./money.js";
import { say } from "./words.js";

/** @param {string} id */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * Announce a milestone; the running digits stand outside this region. @param {string} text
 * @param {string} [about] what a later sentence takes the place of; without it, the last act
 */
export function announce(text, about = "") {
  withdraw(about);
  if (text) $("status").append(Object.assign(document.createElement("p"), { textContent: text }));
  if (text && about) $("status").lastElementChild.dataset.about = about;
}

/** Take back what is over. @param {string} about */
export function withdraw(about) {
  for (const part of [...$("status").childNodes]) if ((part.dataset?.about ?? "") === about) part.remove();
}

/** Say what stands in the way. @param {string} text @param {"hold-problem" | "pay-problem"} [at] the box beside the button that it is about */
export function problem(text, at = "hold-problem") {
  for (const id of ["hold-problem", "pay-problem"]) $(id).textContent = id === at ? text : "";
}

/** Say it as the answer to an act, and lead the shopper there. @param {string} text @param {"hold-problem" | "pay-problem"} at */
export function answerWith(text, at) {
  problem(text, at);
  $(at).scrollIntoView({ block: "center" });
  $(at).focus({ preventScroll: true });
}

/** "2 × Mug, 1 × Vase". @param {{quantity: number, name: string}[]} items */
export const spellItems = (items) => items.map(({ quantity, name }) => say("{quantity} × {name}", { quantity, name })).join(", ");

/** @returns {HTMLInputElement[]} */
const inputs = () => [...$("hold-form").querySelectorAll("input[type=number]")];

/** @returns {{sku: string, quantity: number}[]} what the shopper asks for */
export const chosen = () => inputs()
  .map((input) => ({ sku: input.name.slice("quantity-".length), quantity: Math.max(0, Math.floor(Number(input.value))) }))
  .filter((item) => item.quantity > 0);

/** Add the units of two baskets. @param {{sku: string, quantity: number}[]} held @param {{sku: string, quantity: number}[]} more */
export function together(held, more) {
  const sum = new Map();
  for (const { sku, quantity } of [...held, ...more]) sum.set(sku, (sum.get(sku) ?? 0) + quantity);
  return [...sum].map(([sku, quantity]) => ({ sku, quantity }));
}

export function clearChosen() {
  for (const input of inputs()) input.value = "0";
  offerPartial(false);
}

/** @param {boolean} offered whether a part of the refused basket is available */
export function offerPartial(offered) { $("partial").hidden = !offered; }

/** @param {number} left seconds @param {boolean} held @param {boolean} waiting */
export function drawClock(left, held, waiting) {
  $("deadline").textContent = mmss(left);
  $("deadline-label").textContent = held ? say("Your items are held for you for") : waiting ? say("Your session and this line last for") : say("Your time to choose");
  $("deadline-bar").toggleAttribute("data-urgent", left <= 60);
}

/** @param {string} id the hold's @param {number | null} left seconds; null while it is being paid */
export function drawHoldClock(id, left) {
  const clock = $("holds").querySelector(`[data-hold="${CSS.escape(id)}"] .hold-clock`);
  if (clock) clock.textContent = left == null ? say("Its payment is in progress.") : say("For another {time}", { time: mmss(left) });
}

/** @param {any[]} holds as the server sent them @param {boolean} waiting */
export function drawHolds(holds, waiting) {
  const cards = new Map([...$("holds").children].map((card) => [card.dataset.hold, card]));
  let lost = false;
  for (const [id, card] of cards) {
    if (holds.some((hold) => hold.hold_id === id)) continue;
    lost ||= card.contains(document.activeElement);
    card.remove();
  }
  for (const hold of holds) {
    const card = cards.get(hold.hold_id) ?? $("holds").appendChild($("held-template").content.firstElementChild.cloneNode(true));
    fill(card, hold);
  }
  [...$("holds").children].forEach(number);
  drawPayment(holds);
  const some = holds.length > 0;
  $("pay").hidden = !some;
  $("empty-note").hidden = some || waiting;
  $("pay-note").hidden = !waiting;
  $("columns").classList.toggle("has-hold", some || waiting);
  $("hold-form").querySelector("h2").textContent = some ? say("Choose more") : say("Choose your items");
  $("hold-button").textContent = some ? say("Reserve these too") : say("Reserve these items");
  if (lost) $("hold-button").focus();
}

/** The data written last into each card: a poll that brings nothing new touches nothing. @type {WeakMap<Element, string>} */
const written = new WeakMap();

/** @param {any} card @param {any} hold */
function fill(card, hold) {
  const text = JSON.stringify([hold.items, hold.total_minor, hold.extensions_left, hold.state]);
  if (written.get(card) === text) return;
  written.set(card, text);
  card.dataset.hold = hold.hold_id;
  card.querySelector("ul").replaceChildren(...hold.items.map((item) => line(hold, item)));
  card.querySelector(".total span + span").textContent = money(hold.total_minor, hold.currency);
  const busy = hold.state === "paying";
  card.querySelector("[action*='/checkout/extend']").hidden = busy || !hold.extensions_left;
  card.querySelector("[action*='/checkout/release']").hidden = busy;
  for (const field of card.querySelectorAll("input[name=hold_id]")) field.value = hold.hold_id;
}

/** @param {any} hold @param {any} item */
function line(hold, item) {
  const row = $("held-line-template").content.firstElementChild.cloneNode(true);
  row.dataset.sku = item.sku;
  row.dataset.name = item.name;
  const [what, price] = row.querySelectorAll("span");
  what.textContent = spellItems([item]);
  price.textContent = money(item.price_minor * item.quantity, hold.currency);
  row.querySelector("form").hidden = hold.state === "paying";
  row.querySelector("button").setAttribute("aria-label", say("Put one back: {name}", { name: item.name }));
  return row;
}

/** Set ids as the server does: plain for the first, "-2" for the second. @param {Element} card @param {number} at */
function number(card, at) {
  for (const part of [card, ...card.querySelectorAll("[id]")]) part.id = part.id.replace(/-\d+$/, "") + (at ? `-${at + 1}` : "");
}

/** Show one button for each hold; the first one is always there. @param {any[]} holds */
function drawPayment(holds) {
  const box = $("pay-buttons");
  while (box.children.length > Math.max(1, holds.length)) box.lastElementChild.remove();
  while (box.children.length < holds.length) box.append(box.firstElementChild.cloneNode(true));
  [...box.children].forEach((button, at) => {
    const hold = holds[at];
    const busy = hold?.state === "paying";
    button.id = at ? `pay-button-${at + 1}` : "pay-button";
    button.value = hold?.hold_id ?? "";
    button.dataset.minor = hold?.total_minor ?? 0;
    button.disabled = busy;
    button.textContent = busy ? say("Waiting for the payment") : !hold ? say("Pay")
      : holds.length > 1 ? say("Pay {amount} for {items}", { amount: money(hold.total_minor, hold.currency), items: spellItems(hold.items) })
        : say("Pay {amount}", { amount: money(hold.total_minor, hold.currency) });
  });
}

export function wireSteppers() {
  $("hold-form").addEventListener("click", (event) => {
    const step = event.target.closest(".step");
    if (!step) return;
    const input = step.parentElement.querySelector("input");
    const top = input.max === "" ? 99 : Number(input.max);
    input.value = String(Math.min(top, Math.max(0, (Number(input.value) || 0) + Number(step.dataset.step))));
    announce(`${input.labels[0].textContent}: ${input.value}`);
    offerPartial(false);
  });
  $("hold-form").addEventListener("input", () => offerPartial(false));
  // The first button of the form may be the one that searches.
  $("hold-form").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.type !== "number") return;
    event.preventDefault();
    $("hold-form").requestSubmit($("hold-button"));
  });
  for (const step of $("hold-form").querySelectorAll(".step")) step.hidden = false;
}
