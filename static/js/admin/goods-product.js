import { $, admin, inRoom, sentence, signIn, sure, tell, told, tried } from "./api.js";
import { addressOf, NoAnswer } from "../api.js";
import { addUnder, begin } from "./goods-new.js";
import { field, readSku, suggestCode, textOf, watchTimes } from "./goods-fields.js";
import { showPicture, wirePicture } from "./goods-picture.js";
import { drawFigures, setSale, variantBox } from "./goods-variant.js";
import { plural } from "../format.js";

/** The product on the screen, its SKUs as they were read last, and the cursor for more of them. @type {any} */
let product = null;
/** @type {Map<string, any>} */
const skus = new Map();
/** @type {string | null} */
let following = null;

export const shownProduct = () => product?.product;

/** @param {string} code @returns {Promise<any>} null for none */
async function read(code) {
  const { ok, status, data } = await admin("GET", `/products/${encodeURIComponent(code)}`);
  if (status === 401) return signIn();
  if (ok && data.room === $("admin").dataset.room) return data;
  told("list", { problem: ok ? `There is no product “${code}” in this room.` : sentence(status, data) });
  return null;
}

/** Show a product's page. @param {string} code @param {{done?: string, problem?: string}} [outcome] @returns {Promise<boolean>} */
export async function showProduct(code, outcome) {
  const found = await read(code);
  if (!found) return false;
  product = found;
  following = found.next;
  skus.clear();
  $("variants").replaceChildren(...found.variants.map(box));
  fill(found);
  if (found.variants.length === 1) $("variants").firstElementChild.open = true;
  $("product-box").open = false;
  if ($("variant-box")) $("variant-box").open = !found.variants.length;
  $("variant-form")?.reset();
  for (const at of ["product", "add"]) if ($(`${at}-told`)) told(at);
  told("all", outcome);
  draw();
  return true;
}

export function closeProduct() { product = null; }

/** @param {any} sku */
function box(sku) {
  skus.set(sku.sku, sku);
  return variantBox(sku, () => refreshProduct().catch(() => {}));
}

/** The product as its form was filled with it. @type {any} */
let filled = {};

/** @param {any} found */
function fill(found) {
  const form = $("product-form");
  filled = found;
  for (const name of ["name", "description", "seller"]) if (field(form, name)) field(form, name).value = found[name] ?? "";
  field(form, "reason").value = "";
  showPicture(form.querySelector("[data-picture]"), found.picture);
}

function draw() {
  $("product-title").textContent = product.name;
  $("product-where").textContent = [product.product, product.seller && `sold by ${product.seller}`].filter(Boolean).join(", ");
  $("product-picture").hidden = !product.picture;
  if (product.picture && $("product-picture").getAttribute("src") !== addressOf(product.picture)) $("product-picture").src = addressOf(product.picture);
  const all = [...skus.values()];
  $("more-variants").hidden = !following;
  if (!$("all-off")) return;
  $("all-off").hidden = all.length < 2 || !all.some((sku) => sku.on_sale);
  $("all-on").hidden = all.length < 2 || all.every((sku) => sku.on_sale);
}

/** Bring the figures up to date; fields that are typed in stay as they are. */
export async function refreshProduct() {
  const code = product?.product;
  if (!code) return;
  const { ok, data } = await admin("GET", `/products/${encodeURIComponent(code)}`);
  if (!ok || product?.product !== code) return;
  product = data;
  const there = new Set([...$("variants").children].map((one) => one.dataset.sku));
  for (const sku of skus.keys()) if (!there.has(sku)) skus.delete(sku);
  for (const sku of data.variants) {
    const shown = [...$("variants").children].find((one) => one.dataset.sku === sku.sku);
    if (!shown) continue;
    skus.set(sku.sku, sku);
    drawFigures(shown, sku);
  }
  draw();
}

/** Take all its SKUs off sale, or put them on sale. @param {boolean} on */
async function sellAll(on) {
  let changed = 0;
  for (const sku of [...skus.values()].filter((one) => one.on_sale !== on)) {
    const now = await tell(() => setSale(sku.sku, on), "", "all");
    if (!now) return;
    skus.set(sku.sku, now);
    changed += 1;
  }
  told("all", { done: `${plural(changed, "variant")} ${changed === 1 ? "is" : "are"} ${on ? "on sale" : "off sale"}.` });
  // The times of sale in the forms have moved.
  const open = new Set([...$("variants").children].filter((one) => one.open).map((one) => one.dataset.sku));
  $("variants").replaceChildren(...[...skus.values()].map(box));
  for (const one of $("variants").children) one.open = open.has(one.dataset.sku);
  draw();
}

/** @param {HTMLFormElement} form */
async function addVariant(form) {
  const sold = readSku(form, "add");
  if (!sold) return;
  const sku = textOf(form, "sku"), units = Number(field(form, "units").value), variant = textOf(form, "variant");
  const made = await addUnder("/skus", { sku, product: product.product, variant, ...sold }, "add", "sku");
  if (!made) return;
  $("variants").append(box(made));
  form.reset();
  if (await begin(sku, units, "add")) told("add", { done: `${variant} was added${units ? ` with ${plural(units, "unit")}` : ""}.` });
  await refreshProduct();
}

/** @param {HTMLFormElement} form */
async function save(form) {
  const body = { name: textOf(form, "name"), description: textOf(form, "description"), picture: field(form, "picture").value };
  if (field(form, "seller")) body.seller = textOf(form, "seller") || null;
  // What is not changed here is left out: a colleague may have changed it.
  const names = Object.keys(body).filter((name) => body[name] !== (filled[name] ?? (name === "seller" ? null : "")));
  if (!names.length) return told("product", { done: "Nothing was changed." });
  const pick = (from) => Object.fromEntries(names.filter((name) => from !== filled || name !== "seller").map((name) => [name, from[name]]));
  const change = { ...pick(body), was: pick(filled), reason: textOf(form, "reason") };
  const { now, refused } = await tried(() => admin("PATCH", `/products/${encodeURIComponent(product.product)}`, change), "The product was saved.", "product");
  if (refused?.code === "changed_meanwhile") {
    const found = await read(product.product);
    if (found) { fill(found); for (const name of names) if (name !== "picture") field(form, name).value = body[name] ?? ""; if (names.includes("picture")) showPicture(form.querySelector("[data-picture]"), body.picture); }
  }
  if (!now) return;
  fill(now);
  // Names that follow the product's have changed with it.
  if (now.name !== product.name) $("variants").replaceChildren(...now.variants.map(box));
  product = now;
  draw();
}

/** @param {() => void} gone */
async function remove(gone) {
  if (!await sure(`Delete ${product.name}?`, "It leaves the catalogue for good, with all its variants. What has had stock stays on record and can only be taken off sale.", "Delete it")) return;
  if (await tell(() => admin("DELETE", `/products/${encodeURIComponent(product.product)}`), "", "product")) gone();
}

/** @param {() => void} gone shows the list, after the product was deleted */
export function wireProduct(gone) {
  wirePicture($("product-form").querySelector("[data-picture]"));
  $("product-form").addEventListener("submit", (event) => { event.preventDefault(); save($("product-form")); });
  $("product-delete").addEventListener("click", () => remove(gone));
  $("more-variants").addEventListener("click", async () => {
    const query = new URLSearchParams({ product: product.product, cursor: following ?? "", limit: "100" });
    const { ok, data } = await admin("GET", inRoom(`/skus?${query}`)).catch((error) => { if (!(error instanceof NoAnswer)) throw error; return { ok: false, data: null }; });
    if (!ok) return told("all", { problem: "The other variants could not be read. Please try again." });
    $("variants").append(...data.skus.map(box));
    following = data.next;
    draw();
  });
  if (!$("variant-form")) return;
  $("all-off").addEventListener("click", () => sellAll(false));
  $("all-on").addEventListener("click", () => sellAll(true));
  watchTimes($("variant-form"));
  wirePicture($("variant-form").querySelector("[data-picture]"));
  suggestCode($("add-variant"), $("add-sku"), () => `${product.product} `);
  $("variant-form").addEventListener("submit", (event) => { event.preventDefault(); addVariant($("variant-form")); });
}
