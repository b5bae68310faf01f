import { say, sayN } from "./words.js";
import { $ } from "./checkout-view.js";

/** @type {Record<string, (values: {name: string, limit: number}) => string>} */
const LIMITS = {
  session: (values) => say("{name}: at most {limit} for each shopper.", values),
  order: (values) => say("{name}: at most {limit} for each order.", values),
  customer: (values) => say("{name}: at most {limit} for each customer.", values),
};

/** Return the name of a SKU that another page of the goods shows, as it stands in the basket. @param {string} sku */
const nameHeld = (sku) => sku && document.querySelector(`#holds [data-sku="${CSS.escape(sku)}"]`)?.dataset.name;

/** Return a refusal in words for a shopper, as checkout/shelf/refused.py does. @param {any} data the problem document @param {boolean} inLine whether the session now waits for that SKU */
export function explain(data, inLine) {
  const name = $(`q-${data?.sku}`)?.labels?.[0]?.textContent ?? nameHeld(data?.sku) ?? data?.sku;
  switch (data?.code) {
    case "out_of_stock":
      if (data.available) return sayN(data.available, "{name}: only {n} item left. Nothing was changed.", "{name}: only {n} items left. Nothing was changed.", { name });
      return inLine ? say("{name}: none is free right now. You are in line for it by your number.", { name }) : say("{name}: none is free right now. Nothing was changed.", { name });
    // What others at the same connection hold is no limit of this shopper, and the detail says what to do.
    case "limit_reached": return data.scope === "network" ? data.detail : data.sku ? (LIMITS[data.scope] ?? LIMITS.session)({ name, limit: data.limit }) : sayN(data.limit, "At most {n} item goes into one order. Please choose fewer.", "At most {n} items go into one order. Please choose fewer.");
    case "not_on_sale": return say("{name}: not on sale now. Please choose something else.", { name });
    case "unknown_sku": return say("{name}: no longer sold here. Please choose something else.", { name });
    case "hold_expired": return say("The time for these items ran out, and they went back to the line. You can choose again while your session lasts.");
    case "extension_refused": return say("The time cannot be extended any further, so that everyone waiting gets a turn.");
    case "payment_declined": return say("The payment was declined and nothing was charged. Your items are still held: you can try again.");
    case "payment_running": return say("A payment for these items is under way. Please wait a moment until it is decided.");
    case "not_found": return say("These items are no longer held for you. Please choose again.");
    case "too_many_acts": return say("You have reserved and changed very often by now. You can still pay for what is held for you, or put it back.");
    case "idempotency_key_reused": return say("This page is out of date, and nothing was done. Please load it again.");
    default: return data?.detail || data?.title || say("That did not work.");
  }
}
