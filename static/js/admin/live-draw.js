import { $, admin, inRoom, tell } from "./api.js";
import { plural } from "../format.js";
import { momentOf } from "../moment.js";

/** @param {any} draw @returns {string} */
function wordOf(draw) {
  const entered = plural(draw.entries, "entry", "entries");
  return {
    announced: `Announced: the seed is fixed, and its commitment is in the public log. ${entered} so far.`,
    closing: `Closed with ${entered}; the closing is being signed.`,
    waits_for_value: `Closed with ${entered}. The draw waits for the public value.`,
    drawing: `Closed with ${entered}; the order is being drawn.`,
    drawn: `${entered} drawn${draw.drawn_at ? `, ${momentOf(draw.drawn_at)}` : ""}. The seed is in the public log.`,
  }[draw.status] ?? draw.status;
}

/** @param {any} shown */
export function drawDraw({ draw, settings }) {
  $("draw-box").hidden = settings.order_by !== "draw";
  const word = draw.length ? draw.map((one) => (draw.length > 1 ? `${one.lane}: ` : "") + wordOf(one)).join(" ") : "It is announced as soon as a controller leads.";
  if ($("draw-word").textContent !== word) $("draw-word").textContent = word;
  const [first] = draw;
  const facts = first ? { Commitment: first.commitment, "Public value from": first.public_value_source, "Public value": first.value } : {};
  const text = JSON.stringify(facts);
  if ($("draw-facts").dataset.shown !== text) {
    $("draw-facts").dataset.shown = text;
    $("draw-facts").replaceChildren(...Object.entries(facts).filter(([, value]) => value).map(([name, value]) => {
      const box = document.createElement("div"), said = Object.assign(document.createElement("dd"), { textContent: String(value) });
      box.append(Object.assign(document.createElement("dt"), { textContent: name }), said);
      return box;
    }));
  }
  $("value-form").hidden = !draw.some((one) => one.status === "waits_for_value");
}

export function wireDraw() {
  $("value-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = await tell(() => admin("POST", inRoom("/public-value"), { value: $("value").value.trim() }), "The draw has its public value.", "value");
    if (given) $("value").value = "";
  });
}
