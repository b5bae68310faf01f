import { $, admin, refuse, sure, tell, told, tried } from "./api.js";
import { field, fillSku, priceOf, readSku, textOf, watchTimes } from "./goods-fields.js";
import { showPicture, wirePicture } from "./goods-picture.js";
import { figuresOf, wireRecords, wireStock } from "./goods-stock.js";
import { count } from "../format.js";
import { momentOf } from "../moment.js";

/** Put a SKU on sale, or take it off sale, at this moment. @param {string} sku @param {boolean} on @returns {Promise<{ok: boolean, status: number, data: any}>} */
export const setSale = (sku, on) => admin("PATCH", `/skus/${encodeURIComponent(sku)}`, { on_sale: on });

/** @param {any} sku @returns {[string, string]} a word for whether it is sold, and its colour */
function saleOf(sku) {
  if (!sku.on_sale) return sku.on_sale_from && new Date(sku.on_sale_from) > new Date() ? [`On sale from ${momentOf(sku.on_sale_from)}`, "scheduled"] : ["Off sale", "declined"];
  if (!sku.available) return ["None left", "sold_out"];
  return sku.available <= sku.low_at ? ["Low", "paused"] : ["On sale", ""];
}

/** Return what a variant is called beside its product. @param {any} sku */
export const variantName = (sku) => sku.variant || sku.name;

/** Show the figures of a SKU, and leave its forms alone. @param {HTMLElement} box @param {any} sku */
export function drawFigures(box, sku) {
  const [word, look] = saleOf(sku);
  const put = (name, text) => {
    const place = /** @type {HTMLElement} */ (box.querySelector(name));
    if (place.textContent !== text) place.textContent = text;
    return place;
  };
  put(".variant-name", variantName(sku));
  put("[data-sum]", `${sku.sku}, ${priceOf(sku.price_minor)}, ${count(sku.available)} of ${count(sku.on_hand)} left`);
  put("[data-sale]", word).dataset.state = look;
  put("[data-figures]", figuresOf(sku));
  const toggle = put("[data-toggle]", sku.on_sale ? "Take it off sale" : "Put it on sale now");
  toggle.dataset.on = sku.on_sale ? "" : "1";
}

/** Each form's SKU as it was filled in, and what its fields said then. @type {WeakMap<HTMLFormElement, {sku: any, values: any}>} */
const seen = new WeakMap();

/** @param {HTMLFormElement} form @param {string} at @returns {any} what the fields say; null after saying what cannot be read */
function valuesOf(form, at) {
  const body = readSku(form, at);
  return body && { ...body, variant: textOf(form, "variant"), name: textOf(form, "name") };
}

/** @param {HTMLFormElement} form @param {any} sku */
function fill(form, sku) {
  fillSku(form, sku);
  field(form, "variant").value = sku.variant;
  const derived = sku.product_name + (sku.variant && `, ${sku.variant}`);
  field(form, "name").value = sku.name === derived ? "" : sku.name;
  field(form, "name").placeholder = derived;
  field(form, "reason").value = "";
  showPicture(/** @type {any} */ (form.querySelector("[data-picture]")), sku.picture);
  seen.set(form, { sku, values: valuesOf(form, `${sku.sku}-sku`) });
}

/** Give the parts of a copied template ids of their own. @param {HTMLElement} box @param {string} sku */
function name(box, sku) {
  for (const attribute of ["id", "for", "aria-describedby"]) {
    for (const part of box.querySelectorAll(`[${attribute}^="tpl-"]`)) part.setAttribute(attribute, (part.getAttribute(attribute) ?? "").replace("tpl-", `${sku}-`));
  }
}

/**
 * Make the box of a SKU: its figures, stock, fields and movements.
 * @param {any} sku @param {() => void} changed called after a change that others may show @returns {HTMLElement}
 */
export function variantBox(sku, changed) {
  const copy = /** @type {any} */ ($("variant-template").content.cloneNode(true)), box = copy.querySelector("details"), code = sku.sku;
  name(box, code);
  box.dataset.sku = code;
  drawFigures(box, sku);
  const form = box.querySelector("[data-form=sku]"), stock = box.querySelector("[data-form=stock]");
  const readRecords = wireRecords(box, code);
  document.createElement("div").append(box);
  watchTimes(form);
  fill(form, sku);
  wirePicture(form.querySelector("[data-picture]"));
  const show = (now) => { drawFigures(box, now); readRecords(); changed(); };
  if (stock) wireStock(stock, code, show);
  form.addEventListener("submit", (event) => { event.preventDefault(); save(form, code, show); });
  form.querySelector("[data-toggle]").addEventListener("click", async (event) => {
    const on = Boolean(event.currentTarget.dataset.on);
    const now = await tell(() => setSale(code, on), on ? "It is on sale." : "It is off sale. Baskets that hold it can still be paid.", `${code}-sku`);
    if (now) { fill(form, now); show(now); }
  });
  form.querySelector("[data-delete]").addEventListener("click", async () => {
    if (!await sure(`Delete ${variantName(sku)}?`, "It leaves the catalogue for good. What has had stock stays on record and can only be taken off sale.", "Delete it")) return;
    if (!await tell(() => admin("DELETE", `/skus/${encodeURIComponent(code)}`), "", `${code}-sku`)) return;
    box.remove();
    $("product-title").focus();
    changed();
  });
  return box;
}

/**
 * Save the fields that were changed here, and no others: a colleague may have changed those.
 * @param {HTMLFormElement} form @param {string} code @param {(sku: any) => void} show
 */
async function save(form, code, show) {
  const at = `${code}-sku`, body = valuesOf(form, at);
  if (!body) return;
  if (body.on_sale_from && body.on_sale_until && body.on_sale_from >= body.on_sale_until) return refuse(at, "on_sale_until", "The sale ends after it begins.");
  const { sku, values } = seen.get(form), names = Object.keys(body).filter((name) => body[name] !== values[name]);
  // A name that the SKU has from its variant follows it.
  if (names.includes("variant") && !names.includes("name")) names.push("name");
  if (!names.length) return told(at, { done: "Nothing was changed." });
  const pick = (from) => Object.fromEntries(names.map((name) => [name, from[name]]));
  const change = { ...pick(body), was: pick(sku), reason: textOf(form, "reason") };
  const { now, refused } = await tried(() => admin("PATCH", `/skus/${encodeURIComponent(code)}`, change), "Saved. Baskets in being keep their price.", at);
  if (now) { fill(form, now); show(now); }
  if (refused?.code === "changed_meanwhile") await catchUp(form, code, names, show);
}

/** Show what a colleague made of a SKU, with what was typed here kept. @param {HTMLFormElement} form @param {string} code @param {string[]} typed @param {(sku: any) => void} show */
async function catchUp(form, code, typed, show) {
  const { ok, data } = await admin("GET", `/skus/${encodeURIComponent(code)}`);
  if (!ok) return;
  const kept = typed.map((name) => [field(form, name), field(form, name).value]);
  const picture = typed.includes("picture") && field(form, "picture").value, reason = textOf(form, "reason");
  fill(form, data);
  for (const [place, text] of kept) place.value = text;
  if (picture !== false) showPicture(/** @type {any} */ (form.querySelector("[data-picture]")), picture);
  field(form, "reason").value = reason;
  show(data);
}
