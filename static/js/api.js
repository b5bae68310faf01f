/** A request that got no usable answer; retryAfter is in seconds where the server named it. */
export class NoAnswer extends Error {
  /** @param {string} why @param {number} [retryAfter] */
  constructor(why, retryAfter = 0) { super(why); this.retryAfter = retryAfter; }
}

/** Return a random id; plain http has no randomUUID. @returns {string} */
export const newKey = () => crypto.randomUUID?.()
  ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

/**
 * Send a request. Refusals come back as an answer; no network, 429 and 5xx throw NoAnswer. So does
 * 404 with `there`, for a resource that this page shows and that must exist.
 * @param {string} method @param {string} url
 * @param {{body?: any, key?: string, there?: boolean, headers?: Record<string, string>}} [options]
 * @returns {Promise<{ok: boolean, status: number, data: any, headers: Headers}>}
 */
export async function ask(method, url, { body, key, there, headers = {} } = {}) {
  const head = { Accept: "application/json", ...headers };
  if (key) head["Idempotency-Key"] = key;
  if (body !== undefined) head["Content-Type"] = "application/json";
  let reply, text;
  try {
    reply = await fetch(url, { method, headers: head, body: body && JSON.stringify(body), signal: AbortSignal.timeout(15000) });
    text = await reply.text();
  } catch { throw new NoAnswer("The network did not answer."); }
  let data = null;
  try { data = JSON.parse(text); } catch { /* an empty answer, or a proxy's page */ }
  if (reply.status === 429 || reply.status >= 500 || (there && reply.status === 404)) throw new NoAnswer(data?.detail ?? "The server is busy.", Number(reply.headers.get("Retry-After")) || 0);
  return { ok: reply.ok, status: reply.status, data, headers: reply.headers };
}
