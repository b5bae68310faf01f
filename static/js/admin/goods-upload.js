import { addressOf, NoAnswer } from "../api.js";

/** A file of the largest size may come over a slow line. */
const WAIT_MS = 300_000;

/**
 * Send a file as it is. @param {string} url @param {Blob} file @param {string} type
 * @returns {Promise<{ok: boolean, status: number, data: any}>}
 */
export async function upload(url, file, type) {
  let reply, data;
  try {
    reply = await fetch(addressOf(url), { method: "POST", headers: { Accept: "application/json", "Content-Type": type }, body: file, signal: AbortSignal.timeout(WAIT_MS) });
    data = await reply.json();
  } catch { throw new NoAnswer("The file could not be sent, or no answer came. If you changed it, choose it again."); }
  if (reply.status === 429 || reply.status >= 500) throw new NoAnswer(data?.detail ?? "The server is busy.");
  return { ok: reply.ok, status: reply.status, data };
}

/**
 * Send a file and save the answer as a file, unread: it may be as long as what was sent.
 * @param {string} url @param {Blob} file @param {string} type @param {string} name @returns {Promise<boolean>} whether there was one
 */
export async function uploadAndSave(url, file, type, name) {
  const reply = await fetch(addressOf(url), { method: "POST", headers: { "Content-Type": type }, body: file, signal: AbortSignal.timeout(WAIT_MS) }).catch(() => null);
  const saved = reply?.ok && await reply.blob().catch(() => null);
  if (!saved) return false;
  const address = URL.createObjectURL(saved);
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), WAIT_MS);
  return true;
}
