import { say, sayN } from "./words.js";
import { $ } from "./checkout-view.js";

/** @type {Record<string, (values: {name: string, limit: number}) => string>} */
const LIMITS = {
  session: (values) => say("{name}: at most {limit} for each shopper.", values),
  order: (values) => say("{name}: at most {limit} for each order.", values),
  customer: (values) => say("{name}: at most {limit} for each customer.", values),
};

/** Return a refusal in words for a shopper. @param {any} data the problem document @param {boolean} inLine whether the session now waits for that SKU */
export function explain(data, inLine) {
  const name = $(`q-${data?.sku}`)?.labels?.[0]?.textContent ?? data?.sku;
  switch (data?.code) {
    case "out_of_stock":
      if (data.available) return sayN(data.available, "{name}: only {n} item left. Nothing was changed.", "{name}: only {n} items left. Nothing was changed.", { name });
      return inLine ? say("{name}: none is free right now. You are in line for it by your number.", { name }) : say("{name}: none is free right now. Nothing was changed.", { name });
    case "limit_reached": return data.sku ? (LIMITS[data.scope] ?? LIMITS.session)({ name, limit: data.limit }) : data.detail;
    case "hold_expired": return say("The time for these items ran out, and they went back to the line. You can choose again while your session lasts.");
    case "extension_refused": return say("The time cannot be extended any further, so that everyone waiting gets a turn.");
    case "payment_declined": return say("The payment was declined and nothing was charged. Your items are still held: you can try again.");
    default: return data?.detail || data?.title || say("That did not work.");
  }
}
