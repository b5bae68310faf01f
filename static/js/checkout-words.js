import { plural } from "./format.js";
import { $ } from "./checkout-view.js";

/** Return a refusal in words for a shopper. @param {any} data the problem document @param {boolean} inLine whether the session now waits for that SKU */
export function explain(data, inLine) {
  const name = $(`q-${data?.sku}`)?.labels?.[0]?.textContent ?? data?.sku;
  switch (data?.code) {
    case "out_of_stock":
      if (data.available) return `${name}: only ${plural(data.available, "item")} left. Nothing was changed.`;
      return `${name}: none is free right now. ${inLine ? "You are in line for it by your number." : "Nothing was changed."}`;
    case "limit_reached": return data.sku ? `${name}: at most ${data.limit} for each ${data.scope === "session" ? "shopper" : data.scope}.` : data.detail;
    case "hold_expired": return "The time for these items ran out, and they went back to the line. You can choose again while your session lasts.";
    case "extension_refused": return "The time cannot be extended any further, so that everyone waiting gets a turn.";
    case "payment_declined": return "The payment was declined and nothing was charged. Your items are still held: you can try again.";
    default: return [...new Set([data?.title, data?.detail])].filter(Boolean).join(" ") || "That did not work.";
  }
}
