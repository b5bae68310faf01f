import { priceOf } from "./goods-fields.js";
import { count, plural } from "../format.js";
import { momentOf } from "../moment.js";

/** What moved units, in a sentence that begins with them; the operator stands before the first three. */
const MOVED = {
  held: "put into a basket", released: "came back from a basket that was given up", expired: "came back from a basket whose time was over",
  confirmed: "sold", returned: "back on the shelf from an order", archived: "summed up when the room was archived",
};
const FIELDS = {
  name: "name", variant: "variant", description: "description", picture: "picture", price_minor: "price", currency: "currency",
  limit_per_order: "units in one order", limit_per_session: "units in one visit", limit_per_customer: "units for one customer",
  on_sale_from: "on sale from", on_sale_until: "off sale at", low_at: "low at", product: "product", product_name: "name of the product",
  product_description: "description of the product", product_picture: "picture of the product",
};

/** Say what a movement was. @param {any} move */
export function movedWords({ kind, quantity, who, reason }) {
  const units = plural(Math.abs(quantity), "unit"), why = reason ? `: ${reason}` : "";
  if (kind === "received") return `${who} received ${units}${why}`;
  if (kind === "adjusted") return quantity > 0 ? `${who} found ${units} more${why}` : `${who} wrote off ${units}${why}`;
  return `${units} ${MOVED[kind] ?? kind}${why}`;
}

/** Write a value of a SKU's field. @param {string} name @param {any} value */
function written(name, value) {
  if (value == null || value === "") return "none";
  if (name === "price_minor") return priceOf(value);
  if (name.startsWith("on_sale_")) return momentOf(value);
  return typeof value === "number" ? count(value) : `“${String(value).slice(0, 60)}”`;
}

/** @param {Record<string, [any, any]>} changes @returns {string[]} */
const changesOf = (changes) => Object.entries(changes).map(([name, [was, is]]) => `${FIELDS[name] ?? name} from ${written(name, was)} to ${written(name, is)}`);

/** Say what was changed of a SKU. @param {any} change */
export function changedWords({ what, changes: { receive, ...others }, who, reason }) {
  const said = [...changesOf(others), receive && `${plural(receive, "unit")} came in`].filter(Boolean).join("; ");
  return `${who} ${what === "changed" ? "changed" : `${what} it`}${said ? ` ${said}` : ""}${reason ? `: ${reason}` : ""}`;
}

/** Say what a line of a file does to its SKU. @param {any} fate */
export function fateWords({ fate, changes = {}, receive, received_before: before, reasons }) {
  if (fate === "refused") return (reasons ?? []).join(" ");
  const { receive: _, ...others } = changes;
  const said = changesOf(others);
  if (receive) said.push(before ? `${plural(receive, "unit")} came in before with this delivery` : `${plural(receive, "unit")} come in`);
  const begun = { added: "New", changed: "Changed", unchanged: "Unchanged" }[fate] ?? fate;
  return said.length ? `${begun}: ${said.join("; ")}` : begun;
}
