import { addressOf } from "../api.js";
import { $, admin, inRoom, sentence, signIn, told } from "./api.js";
import { priceOf } from "./goods-fields.js";
import { count, plural } from "../format.js";

const PAGE = 20;

/** @type {string | null} */
let following = null;
let shown = 0, asked = 0;
/** The lines in place, so that figures change without a jump. @type {Map<string, HTMLElement>} */
const lines = new Map();

/** Return the words for what a product has left and whether it is sold. @param {any} product */
function stateOf({ variants, next }) {
  if (!variants.length) return { said: "Nothing is sold of it yet", look: "paused", word: "Nothing to sell" };
  const sum = (name) => variants.reduce((total, sku) => total + sku[name], 0);
  const prices = variants.map((sku) => sku.price_minor), low = Math.min(...prices), high = Math.max(...prices);
  const price = low === high ? priceOf(low) : `${priceOf(low)} to ${priceOf(high)}`;
  const left = sum("available"), on = variants.filter((sku) => sku.on_sale).length;
  const said = `${variants.length > 1 || next ? `${plural(variants.length, "variant")}${next ? " and more" : ""}, ` : ""}${price}, ${count(left)} of ${count(sum("on_hand"))} left`;
  if (!on) return { said, look: "declined", word: "Off sale" };
  if (!left) return { said, look: "sold_out", word: "None left" };
  if (on < variants.length) return { said, look: "paused", word: "Partly off sale" };
  return variants.some((sku) => sku.available <= sku.low_at) ? { said, look: "paused", word: "Low" } : { said, look: "", word: "On sale" };
}

/** @param {any} product */
function line(product) {
  const item = document.createElement("li"), link = Object.assign(document.createElement("a"), { href: `?product=${encodeURIComponent(product.product)}`, textContent: product.name });
  link.dataset.product = product.product;
  const text = document.createElement("div"), state = Object.assign(document.createElement("span"), { className: "state" });
  text.append(link, Object.assign(document.createElement("p"), { className: "small" }), Object.assign(document.createElement("p"), { className: "small" }));
  item.append(document.createElement("span"), text, state);
  fill(item, product);
  return item;
}

/** @param {HTMLElement} item @param {any} product */
function fill(item, product) {
  const { said, look, word } = stateOf(product), seller = product.seller && `sold by ${product.seller}`;
  const address = product.picture || product.variants.find((sku) => sku.picture)?.picture || "";
  const key = JSON.stringify([product.name, said, word, seller, address]);
  if (item.dataset.drawn === key) return;
  item.dataset.drawn = key;
  const picture = address ? Object.assign(document.createElement("img"), { src: addressOf(address), alt: "", width: 56, height: 56, loading: "lazy" })
    : Object.assign(document.createElement("span"), { className: "no-picture", textContent: product.name.slice(0, 1), ariaHidden: "true" });
  item.firstElementChild?.replaceWith(picture);
  const [link, first, second] = /** @type {any} */ (item.children[1].children);
  [link.textContent, first.textContent, second.textContent] = [product.name, said, [product.product, seller].filter(Boolean).join(", ")];
  const state = /** @type {HTMLElement} */ (item.lastElementChild);
  state.textContent = word;
  state.dataset.state = look;
}

/** @param {string | null} cursor @param {number} limit */
async function read(cursor, limit = PAGE) {
  const turn = ++asked, query = new URLSearchParams({ limit: String(limit) }), words = $("q").value.trim();
  if (words) query.set("q", words);
  if (cursor) query.set("cursor", cursor);
  const { ok, status, data } = await admin("GET", inRoom(`/products?${query}`));
  if (status === 401) return signIn();
  if (turn !== asked) return null;
  if (!ok) return void told("list", { problem: sentence(status, data) });
  told("list");
  return data;
}

/** @param {any} page */
function add(page) {
  for (const product of page.products) {
    const item = line(product);
    lines.set(product.product, item);
    $("product-rows").append(item);
  }
  shown += page.products.length;
  following = page.next;
  $("more").hidden = !following;
  const words = $("q").value.trim();
  $("found").textContent = shown ? `${plural(shown, "product")}${following ? ", and there are more" : ""}`
    : words ? "No product like that." : "There are no products in this room yet.";
}

/** Show the list from its beginning. */
export async function showList() {
  const page = await read(null);
  if (!page) return;
  shown = 0;
  lines.clear();
  $("product-rows").replaceChildren();
  add(page);
}

/** Bring the figures of the lines up to date, of the first page alone: those below are read when they are asked for. */
export async function refreshList() {
  if (asked === 0) return;
  const words = $("q").value.trim(), query = new URLSearchParams({ limit: String(PAGE), ...(words && { q: words }) });
  const { ok, data } = await admin("GET", inRoom(`/products?${query}`));
  if (!ok || words !== $("q").value.trim()) return;
  for (const product of data.products) {
    const item = lines.get(product.product);
    if (item) fill(item, product);
  }
}

/** @param {(product: string) => void} open @param {() => void} searched */
export function wireList(open, searched) {
  $("search-form").addEventListener("submit", (event) => { event.preventDefault(); searched(); });
  $("more").addEventListener("click", async () => {
    const first = shown, page = await read(following).catch((error) => void told("list", { problem: error.message }));
    if (!page) return;
    add(page);
    $("product-rows").children[first]?.querySelector("a")?.focus();
  });
  $("product-rows").addEventListener("click", (event) => {
    const link = event.target.closest("a[data-product]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(link.dataset.product);
  });
}
