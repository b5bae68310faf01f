import { say } from "./words.js";

/** The longest pause that an answer may ask for: a page that waits longer would miss a call. */
const PAUSE_MAX_S = 25;
/** The form of HTTP's dates (RFC 9110, section 5.6.7); Date.parse takes almost anything for one. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** The path at which the service stands on its host, "" at the root: scripts lie below it. */
const root = new URL(import.meta.url).pathname.replace(/\/static\/js\/.*$/, "");

/** Return a path of this service as browsers ask for it. @param {string} path */
export const addressOf = (path) => (path.startsWith("/") && !path.startsWith(`${root}/`) ? root + path : path);

/** Return a path without the one at which the service stands. @param {string} path */
export const pathIn = (path) => path.slice(path.startsWith(`${root}/`) ? root.length : 0);

/** A request that got no usable answer; retryAfter is the bounded pause in seconds that the server asked for, or 0. */
export class NoAnswer extends Error {
  /** @param {string} why @param {number} [retryAfter] */
  constructor(why, retryAfter = 0) { super(why); this.retryAfter = retryAfter; }
}

/** Return a random id; plain http has no randomUUID. @returns {string} */
export const newKey = () => crypto.randomUUID?.()
  ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

/** Return the seconds that a Retry-After names, as a number or as a date; 0 for none and for nonsense. @param {Headers} headers */
function pauseOf(headers) {
  const said = headers.get("Retry-After") ?? "", now = Date.parse(headers.get("Date") ?? "") || Date.now();
  const seconds = /^\d+$/.test(said) ? Number(said) : HTTP_DATE.test(said) ? (Date.parse(said) - now) / 1000 : 0;
  return Math.min(Math.max(seconds || 0, 0), PAUSE_MAX_S);
}

/**
 * Send a request. Refusals come back as an answer; no network, 429 and 5xx throw NoAnswer, and so does a
 * success with something else than JSON, such as the page of a network that wants a login. So does 404 with `there`, for a resource that this page shows and that must exist.
 * With `early` the request is on its way already; its answer comes, or null if there was none.
 * @param {string} method @param {string} url
 * @param {{body?: any, key?: string, there?: boolean, headers?: Record<string, string>, withinMs?: number, early?: Promise<Response | null>}} [options]
 * @returns {Promise<{ok: boolean, status: number, data: any, headers: Headers}>}
 */
export async function ask(method, url, { body, key, there, headers = {}, withinMs = 15000, early } = {}) {
  const head = { Accept: "application/json", ...headers };
  if (key) head["Idempotency-Key"] = key;
  if (body !== undefined) head["Content-Type"] = "application/json";
  let reply, text;
  try {
    reply = await early ?? await fetch(addressOf(url), { method, headers: head, body: body && JSON.stringify(body), signal: AbortSignal.timeout(withinMs) });
    text = await reply.text();
  } catch { throw new NoAnswer(say("The network did not answer.")); }
  let data = null;
  try { data = JSON.parse(text); } catch { /* an empty answer, or a proxy's page */ }
  if (reply.status === 429 || reply.status >= 500 || (there && reply.status === 404)) throw new NoAnswer(data?.detail ?? say("The server is busy."), pauseOf(reply.headers));
  if (reply.ok && reply.status !== 204 && (data === null || typeof data !== "object")) throw new NoAnswer(say("The answer could not be read."));
  return { ok: reply.ok, status: reply.status, data, headers: reply.headers };
}
