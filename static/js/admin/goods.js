import { NoAnswer } from "../api.js";
import { $, admin, inRoom, signIn, told } from "./api.js";
import { drawState } from "./frame.js";
import { drawElsewhere } from "./goods-elsewhere.js";
import { wireFiles } from "./goods-files.js";
import { refreshList, showList, wireList } from "./goods-list.js";
import { wireNew } from "./goods-new.js";
import { closeProduct, refreshProduct, showProduct, shownProduct, wireProduct } from "./goods-product.js";
import { refreshSellers, wireSellers } from "./goods-sellers.js";

const LOOK_MS = 4000;
const SELLER = $("admin").dataset.role === "seller";

/** Show what the address names: a product, or the list with a search. @param {{done?: string, problem?: string}} [outcome] @param {boolean} [moved] whether the operator went there */
async function follow(outcome, moved = true) {
  const query = new URLSearchParams(location.search), code = query.get("product");
  const there = code ? await showProduct(code, outcome) : false;
  if (!there) closeProduct();
  for (const [id, hidden] of [["catalogue", there], ["beside", there], ["product", !there]]) $(id).hidden = hidden;
  if (!there) {
    $("q").value = query.get("q") ?? "";
    await showList();
    if (outcome) told("list", outcome);
  }
  if (moved) $(there ? "product-title" : "catalogue-title").focus();
}

/** @param {Record<string, string>} query @param {{done?: string, problem?: string}} [outcome] */
async function go(query, outcome) {
  const text = new URLSearchParams(query).toString();
  history.pushState(null, "", location.pathname + (text ? `?${text}` : ""));
  await follow(outcome);
}

async function look() {
  await (shownProduct() ? refreshProduct() : refreshList());
  if (SELLER) return;
  const [{ ok, status, data }] = await Promise.all([admin("GET", inRoom()), refreshSellers()]);
  if (status === 401) return signIn();
  if (!ok) return;
  drawState(data.status);
  drawElsewhere(data);
}

async function repeat() {
  try { if (!document.hidden) await look(); } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
  }
  setTimeout(repeat, LOOK_MS);
}

/** Show what an address names, and say beside the list when it cannot be read. @param {Promise<void>} showing */
const begin = (showing) => showing.catch((error) => {
  if (!(error instanceof NoAnswer)) throw error;
  told("list", { problem: error.message });
});

const openProduct = (product, outcome) => begin(go({ product }, outcome));
wireList(openProduct, () => begin(go($("q").value.trim() ? { q: $("q").value.trim() } : {})));
wireNew(openProduct);
wireProduct(() => begin(go({}, { done: "The product was deleted." })));
wireFiles(() => begin(showList()));
if (!SELLER) wireSellers();
$("back").addEventListener("click", (event) => { event.preventDefault(); begin(go({})); });
window.addEventListener("popstate", () => begin(follow()));
begin(follow(undefined, false)).then(repeat);
