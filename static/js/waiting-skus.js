import { odds } from "./format.js";
import { $, put } from "./waiting-view.js";
import { say, sayN } from "./words.js";

// A SKU with a smaller chance than this is said to be as good as gone, as in waitroom/web/waiting/view.py.
const GONE_BELOW = 0.03;

/** Return the chance of a SKU at a place, null where the document does not tell. @param {any} line @param {string} sku @param {number} place */
export function chanceOf(line, sku, place) {
  const rows = line?.skus?.find((table) => table.sku === sku)?.rows ?? [];
  const above = rows.findIndex((row) => row.place >= place);
  const b = rows.at(above), a = above > 0 ? rows[above - 1] : b;
  if (!b) return null;
  return b.place > a.place ? a.chance + (b.chance - a.chance) * (place - a.place) / (b.place - a.place) : b.chance;
}

/** @param {{left: number, held: number}} sku */
function leftOf({ left, held }) {
  if (left) return sayN(left, "{n} left", "{n} left");
  return held ? sayN(held, "none left, {n} in a basket", "none left, {n} in baskets") : say("gone");
}

/** @param {any} sku @param {number | null} chance null for a shopper who does not wait */
function lineOf(sku, chance) {
  const name = sku.name, left = leftOf(sku);
  return chance == null ? say("{name}: {left}", { name, left }) : say("{name}: {left}. Your chance: {odds}", { name, left, odds: odds(chance) });
}

/** @param {string} name @param {number | null} chance @param {string} [awaits] */
function choice(name, chance, awaits) {
  if (awaits === "free") return say("{name} is not free right now. You keep your place: as soon as one comes free, you are called before anyone new. You may choose something else.", { name });
  if (awaits) return say("{name} is no longer for sale. You keep your place: choose something else, and you are called before anyone new.", { name });
  if (chance == null) return say("You come for {name}. Its chance is not worked out.", { name });
  if (chance < GONE_BELOW) return say("You come for {name}, and it will hardly be left at your turn. You keep your place, and may choose something else.", { name });
  return say("You come for {name}. Chance that it is left at your turn: {odds}", { name, odds: odds(chance) });
}

/** @param {{set_aside: string | null, sku?: string}} me a called ticket @param {(sku: string) => string} named */
function setAside({ set_aside: aside, sku }, named) {
  if (aside) return say("One unit of {name} is set aside for you.", { name: named(aside) });
  if (sku) return say("{name} is not set aside for you: it was taken from the stock. Something else is.", { name: named(sku) });
  return say("One unit of something is set aside for you.");
}

/**
 * Show what is left of each SKU and, to a shopper who waits, the chance of each.
 * @param {any} doc @param {any} me the ticket @param {any} line its line while it waits @param {number | null} place
 */
export function drawSkus(doc, me, line, place) {
  const skus = doc.skus ?? [], at = Math.max(place ?? 1, 1);
  const named = (code) => [...$("choose-sku").options].find((one) => one.value === code)?.text ?? code;
  $("skus").hidden = !skus.length;
  // The shopper may be choosing, so a SKU that is new to the document is only added.
  for (const { sku, name } of skus) if (![...$("choose-sku").options].some((one) => one.value === sku)) $("choose-sku").add(new Option(name, sku, false, sku === me?.sku));
  $("come-for-box").hidden = $("choose-sku").options.length < 2;
  const lines = skus.map((sku) => lineOf(sku, line && chanceOf(line, sku.sku, at)));
  const shown = [...$("skus").children].map((item) => item.textContent);
  if (lines.join("\n") !== shown.join("\n")) $("skus").replaceChildren(...lines.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  // A room that sells one thing alone has one chance, which stands above.
  const noted = me?.sku && line && skus.length;
  $("choice-note").hidden = !noted;
  if (noted) put("choice-note", choice(named(me.sku), chanceOf(line, me.sku, at), me.awaits));
  $("set-aside").hidden = me?.set_aside === undefined;
  if (me?.set_aside !== undefined) put("set-aside", setAside(me, named));
}
