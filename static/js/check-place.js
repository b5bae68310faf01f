import { ask } from "./api.js";
import { whileBarred } from "./busy.js";
import { locale, say, sayN } from "./words.js";

/**
 * The receipt of a place, in hex; before a draw it has `entry` in place of `number`.
 * @typedef {{seq: number, line: string, number?: number, entry?: number, first: number, count: number, id: string, random: string, path: string}} Receipt
 * @typedef {{seq: number, body: string, hash: string}} Entry an entry of the log, with its exact text
 */

const HASH_BYTES = 32;

/** @param {string} id */
const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** A reason, told to the shopper, why a place cannot be checked. */
class Trouble extends Error {}

/** @param {string} hex @returns {Uint8Array} */
function bytes(hex) {
  if (typeof hex !== "string" || !/^([0-9a-f]{2})*$/.test(hex)) throw new Trouble(say("This is not a valid receipt: a part of it is malformed."));
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {Uint8Array} from */
const hex = (from) => Array.from(from, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {...(Uint8Array | number[])} parts @returns {Promise<Uint8Array>} */
async function sha256(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

/**
 * Return the root that a receipt leads to, by RFC 6962: the leaf is hashed with 0, a node with 1 before
 * its two halves, and an odd node moves up as it is.
 * @param {Receipt} receipt @param {number} index the place among those sealed together
 * @returns {Promise<Uint8Array | null>} null when the path is too long or too short
 */
export async function rootOf(receipt, index) {
  const path = bytes(receipt.path);
  let node = await sha256([0], bytes(receipt.id), bytes(receipt.random)), used = 0;
  for (let size = receipt.count; size > 1; size = Math.ceil(size / 2)) {
    if ((index ^ 1) < size) {
      const beside = path.subarray(used, used += HASH_BYTES);
      if (beside.length < HASH_BYTES) return null;
      node = index % 2 ? await sha256([1], beside, node) : await sha256([1], node, beside);
    }
    index = Math.floor(index / 2);
  }
  return used === path.length ? node : null;
}

/** @param {string} text @returns {Receipt} */
export function readReceipt(text) {
  let found;
  try { found = JSON.parse(text); } catch { throw new Trouble(say("This is not a valid receipt: it is not the text that was given with your number.")); }
  // The whole answer to a join contains the receipt.
  const receipt = found?.receipt ?? found;
  const place = receipt?.number ?? receipt?.entry;
  const whole = [receipt?.seq, receipt?.first, receipt?.count, place].every((n) => Number.isSafeInteger(n) && n > 0);
  if (!whole || typeof receipt.line !== "string" || receipt.count > 2 ** 30) throw new Trouble(say("This is not a valid receipt: a part of it is missing."));
  return receipt;
}

/** @param {string} room @param {number} seq @returns {Promise<Entry>} */
async function entryOf(room, seq) {
  const { ok, data } = await ask("GET", `/rooms/${encodeURIComponent(room)}/log?after=${seq - 1}&limit=1`);
  if (!ok) throw new Trouble(data?.detail ?? say("The log could not be read."));
  const entry = data.entries[0];
  if (entry?.seq !== seq) throw new Trouble(say("The log has no entry {number}, although your receipt names it. Keep the receipt, and ask the operators.", { number: seq }));
  return entry;
}

/**
 * Return the mismatch between a receipt and its entry, or "".
 * @param {Receipt} receipt @param {any} told the entry's facts
 */
export async function misfit(receipt, told) {
  const kind = receipt.number == null ? "entered" : "joined";
  if (told.kind !== kind) return say("That entry of the log gives out no places.");
  if (told.line !== receipt.line) return say("That entry of the log is about another line, {line}.", { line: told.line });
  const index = (receipt.number ?? receipt.entry) - receipt.first;
  if (told.first !== receipt.first || told.last !== receipt.first + receipt.count - 1 || index < 0 || index >= receipt.count) return say("That entry of the log gave out other numbers.");
  const root = await rootOf(receipt, index);
  return root && hex(root) === told.root ? "" : say("Your ticket does not lead to the hash that the log has there.");
}

/** @param {string} room @param {Receipt} receipt @returns {Promise<{good: boolean, said: string[]}>} */
async function check(room, receipt) {
  const entry = await entryOf(room, receipt.seq), told = JSON.parse(entry.body), why = await misfit(receipt, told);
  if (why) {
    return { good: false, said: [`${say("This receipt does not fit the log.")} ${why}`,
      say("Either the receipt was changed, or it is from another room, or entry {seq} of the log has been changed since you joined. Keep the receipt, and show it to others: anyone with the hash of a later entry can tell which it is.", receipt)] };
  }
  const at = new Date(told.at).toLocaleString(locale, { dateStyle: "medium", timeStyle: "medium" }), others = receipt.count - 1;
  const said = [receipt.number == null ? say("Your place is in the log: draw entry {entry} was given on {at}, by entry {seq} of the log.", { ...receipt, at }) : say("Your place is in the log: number {number} was given on {at}, by entry {seq} of the log.", { ...receipt, at }),
    others ? sayN(others, "Your ticket and {n} other are sealed there under one hash, and yours leads to it.", "Your ticket and {n} others are sealed there under one hash, and yours leads to it.") : say("Only your ticket is sealed there under a hash, and it leads to that hash."),
    say("No one can be put before you later without changing that entry and every hash after it. Its own hash is {hash}.", { hash: `${entry.hash.slice(0, 12)}…` })];
  if (receipt.number == null) said.push(say("The draw gives your entry its number: the waiting page shows it, and anyone can compute it again."));
  return { good: true, said };
}

/** @param {boolean} good @param {string[]} said */
function answer(good, said) {
  $("check-answer").dataset.good = good ? "yes" : "no";
  $("check-answer").replaceChildren(...said.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
}

/** @param {string} room */
function stored(room) { try { return localStorage.getItem(`waitroom-receipt:${room}`); } catch { return null; } }

/** @param {string} room @param {string | null} kept */
function offer(room, kept) {
  $("check-no-script").hidden = true;
  $("check-form").hidden = false;
  $("check-stored").hidden = !kept;
  $("check-missing").hidden = !!kept;
  $("check-other").open = !kept;
  if (!kept) return;
  const receipt = readReceipt(kept);
  $("check-stored").textContent = receipt.number == null ? say("This browser keeps a receipt for draw entry {entry}.", receipt) : say("This browser keeps a receipt for number {number}.", receipt);
  const link = $("check-keep");
  link.hidden = false;
  link.download = `receipt-${room}.json`;
  link.href = URL.createObjectURL(new Blob([kept], { type: "application/json" }));
}

/** Check a receipt, and show what came of it. @param {string} room @param {string | null} text */
async function answerFor(room, text) {
  try {
    if (!crypto.subtle) throw new Trouble(say("Browsers compute hashes only on secure pages, and this one was not opened over https. Check the receipt with {command}.", { command: "waitroom verify" }));
    if (!text) throw new Trouble(say("Paste your receipt first, or choose its file."));
    const { good, said } = await check(room, readReceipt(text));
    answer(good, said);
  } catch (error) {
    answer(false, [error.message]);
  }
}

function start() {
  const { room } = $("log").dataset;
  let kept = stored(room);
  try { offer(room, kept); } catch { kept = null; offer(room, kept); }
  $("check-file").addEventListener("change", async () => { $("check-text").value = await $("check-file").files[0]?.text() ?? ""; });
  $("check-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await whileBarred(event.submitter, () => answerFor(room, $("check-text").value.trim() || kept));
  });
}

if (document.getElementById("log")) start();
