import { ask } from "./api.js";
import { countdown } from "./clock.js";
import { say, sayN } from "./words.js";
import { $, spellItems } from "./checkout-view.js";

/** Seconds between two looks while the session has wishes, and the most after failures. */
const LOOK_S = 5, LOOK_MAX_S = 60;

/** After an act the stock is read once this has passed, and otherwise so often. */
const SEEN_MS = 1500, WATCH_MS = 30_000;

/** Seconds until the page asks again about a time that is over by its own clock, and the most after failures. */
const OVERDUE_S = 2, OVERDUE_MAX_S = 30;

/** The room's stock as it was last read, by SKU. @type {Map<string, any>} */
let stock = new Map();

/** @param {any[]} wishes @param {any[]} holds the session's own */
export function drawWaiting(wishes, holds) {
  $("waiting-box").hidden = wishes.length === 0;
  const lines = wishes.map((wish) => {
    const sku = stock.get(wish.sku);
    const own = holds.flatMap((hold) => hold.items).reduce((sum, item) => sum + (item.sku === wish.sku ? item.quantity : 0), 0);
    return [spellItems([wish]), `: ${sku ? tell(Math.max(0, sku.held - own)) : say("none is free now.")}`];
  });
  const text = JSON.stringify(lines);
  if ($("waiting-items").dataset.text === text) return;
  $("waiting-items").dataset.text = text;
  $("waiting-items").replaceChildren(...lines.map(([what, rest]) => {
    const line = document.createElement("li");
    line.append(Object.assign(document.createElement("b"), { textContent: what }), rest);
    return line;
  }));
}

/** @param {number} others units in other people's baskets */
const tell = (others) => (others
  ? sayN(others, "none is free now. {n} is in other people’s baskets.", "none is free now. {n} are in other people’s baskets.")
  : say("none is free now. None is in a basket either, but one may come free from a missed call or a cancelled order."));

/** Read the room's stock, and show what is left. @param {string} room */
export async function readStock(room) {
  const { ok, data } = await ask("GET", `/rooms/${encodeURIComponent(room)}`).catch(() => ({ ok: false, data: null }));
  if (!ok || !Array.isArray(data.skus)) return;
  const before = stock;
  stock = new Map(data.skus.map((sku) => [sku.sku, sku]));
  for (const { sku, available, held, on_sale: sells } of data.skus) {
    const left = document.querySelector(`#hold-form [data-sku="${CSS.escape(sku)}"] .left`);
    // Of a SKU that stays at none, the server knew more when it wrote the page.
    if (!left || !sells || (!available && !before.get(sku)?.available)) continue;
    left.textContent = available ? sayN(available, "{n} left", "{n} left") : held ? sayN(held, "{n} in baskets, none free", "{n} in baskets, none free") : say("None free");
  }
}

let soon = 0;
/** Read the stock once the server's own picture of it, a second old at most, shows what was just done. @param {string} room */
export function readStockSoon(room) {
  clearTimeout(soon);
  soon = setTimeout(readStock, SEEN_MS, room);
}

/** Read the stock now and then, for as long as the page is looked at. @param {string} room @param {() => void} draw for the first time */
export function watchStock(room, draw) {
  readStock(room).then(draw);
  setInterval(() => document.hidden || readStock(room), WATCH_MS);
}

/**
 * Look again every few seconds, but not while the page is hidden: the server holds units that come
 * free without being asked.
 * @param {() => Promise<boolean>} look says whether it got an answer
 * @param {() => boolean} waits whether there is anything to look for
 */
export function keepLooking(look, waits) {
  let timer = 0, failures = 0;
  const again = () => {
    clearTimeout(timer);
    if (!waits() || document.hidden) return;
    const pause = Math.min(LOOK_S * 2 ** failures, LOOK_MAX_S) * (0.8 + 0.4 * Math.random());
    timer = setTimeout(async () => {
      failures = await look().catch(() => false) ? 0 : failures + 1;
      again();
    }, pause * 1000);
  };
  return again;
}

/**
 * Return a function to be called while a time is over by this page's clock: it asks the server whether it is.
 * @param {() => Promise<boolean>} look says whether it got an answer
 */
export function askWhenOverdue(look) {
  let next = () => 0, failures = 0;
  return async () => {
    if (next() > 0) return;
    next = countdown(Math.min(OVERDUE_S * 2 ** failures, OVERDUE_MAX_S) * (0.8 + 0.4 * Math.random()));
    failures = await look().catch(() => false) ? 0 : failures + 1;
  };
}

/** Return those of some holds whose time ran out; others were paid or put back in another tab. @param {any[]} holds @param {string} here the room, as a query */
export async function expired(holds, here) {
  const answers = await Promise.all(holds.map((hold) => ask("GET", `/checkout/holds/${hold.hold_id}${here}`).catch(() => null)));
  return holds.filter((_, at) => answers[at]?.data?.state === "expired");
}
