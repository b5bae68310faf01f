import { $, admin, inRoom, refuse, sentence, signIn, tell, told } from "./api.js";
import { whileBarred } from "../busy.js";
import { NoAnswer } from "../api.js";
import { attempt, settle } from "../attempt.js";
import { field, readSku, suggestCode, textOf, watchTimes } from "./goods-fields.js";
import { wirePicture } from "./goods-picture.js";
import { plural } from "../format.js";

/**
 * Receive the units that a new SKU begins with, once. @param {string} sku @param {number} quantity @param {string} at
 * @returns {Promise<any>} null when they were not
 */
export async function begin(sku, quantity, at) {
  if (!quantity) return {};
  const path = `/skus/${encodeURIComponent(sku)}/movements`, body = { kind: "received", quantity, reason: "first stock" };
  return tell(async () => {
    const answer = await admin("POST", path, body, attempt(path, body));
    settle(path);
    return answer;
  }, "", at);
}

/**
 * Add something under a code; a code that is taken is told at its field.
 * @param {string} path @param {any} body @param {string} at @param {string} code the field of the code
 */
export async function addUnder(path, body, at, code) {
  told(at);
  try {
    const { ok, status, data } = await admin("POST", inRoom(path), body);
    if (status === 401) return void signIn();
    if (ok) return data;
    const named = data?.code === "taken" ? code : data?.field;
    if (named) refuse(at, named, sentence(status, data));
    else told(at, { problem: sentence(status, data) });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    told(at, { problem: `${error.message} It may or may not have been added. Look for it in the list before you try again.` });
  }
  return null;
}

/** Add a product together with its one SKU, which has the product's code. @param {HTMLFormElement} form */
async function add(form) {
  const sku = readSku(form, "new");
  if (!sku) return null;
  const product = textOf(form, "product"), seller = textOf(form, "seller"), units = Number(field(form, "units").value);
  const { picture, ...sold } = sku;
  const body = { product, name: textOf(form, "name"), description: textOf(form, "description"), picture, ...(seller && { seller }) };
  if (!await addUnder("/products", body, "new", "product")) return null;
  // The product is there now, so what is missing of it is told and mended on its own page.
  const made = await admin("POST", inRoom("/skus"), { sku: product, product, ...sold });
  const rest = made.ok ? await begin(product, units, "new") : null;
  const name = body.name, problem = !made.ok ? `${name} was added, but there is nothing to sell of it yet: ${sentence(made.status, made.data)}`
    : rest ? "" : `${name} was added, but its units were not booked. Book them below.`;
  return { product, problem, done: units ? `${name} was added with ${plural(units, "unit")}.` : `${name} was added. It has no units yet.` };
}

/** @param {(product: string, outcome: {done?: string, problem?: string}) => void} added */
export function wireNew(added) {
  const form = $("new-form");
  if (!form) return;
  const show = (open) => {
    form.hidden = !open;
    $("new-open").setAttribute("aria-expanded", String(open));
    (open ? $("new-name") : $("new-open")).focus();
  };
  $("new-open").addEventListener("click", () => show(form.hidden));
  $("new-close").addEventListener("click", () => show(false));
  suggestCode($("new-name"), $("new-product"));
  watchTimes(form);
  wirePicture(form.querySelector("[data-picture]"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const made = await whileBarred(form.querySelector("button.button"), () => add(form));
      if (!made) return;
      form.reset();
      told("new");
      show(false);
      added(made.product, made.problem ? { problem: made.problem } : { done: made.done });
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      told("new", { problem: `${error.message} Part of it may have been added. Look for it in the list before you try again.` });
    }
  });
}
