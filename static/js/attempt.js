import { newKey } from "./api.js";

/**
 * Return the idempotency key of an attempt. A request keeps its key until an answer has come, also
 * over a reload: if the reply was lost, it is repeated under its key and not carried out twice.
 * @param {string} name @param {unknown} wish @returns {string}
 */
export function attempt(name, wish) {
  const text = JSON.stringify(wish);
  const kept = read(name);
  if (kept?.text === text) return kept.key;
  const key = newKey();
  memory.set(name, JSON.stringify({ text, key }));
  try { sessionStorage.setItem(name, memory.get(name) ?? ""); } catch { /* kept in memory alone */ }
  return key;
}

/** Send, and once more when a room lets its shoppers pay. @template {{ data: any }} T @param {() => Promise<T>} send */
export async function onceDue(send) {
  let answer = await send();
  while (answer.data?.code === "paid_too_soon") {
    await new Promise((wake) => setTimeout(wake, answer.data.seconds_left * 1000));
    answer = await send();
  }
  return answer;
}

/** Forget the key of an attempt that got its answer; the next one is a new attempt. @param {string} name */
export function settle(name) {
  memory.delete(name);
  try { sessionStorage.removeItem(name); } catch { /* as above */ }
}

/** @type {Map<string, string>} */
const memory = new Map();

/** @param {string} name @returns {{text: string, key: string} | null} */
function read(name) {
  let kept = memory.get(name);
  try { kept ??= sessionStorage.getItem(name) ?? undefined; } catch { /* as above */ }
  return kept ? JSON.parse(kept) : null;
}
