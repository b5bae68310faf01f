// Does a join's work beside the page: looks for the counter whose key (PBKDF2) begins as the challenge says (altcha, version 2).
/** Derivations under way at once: they run beside this script, on all cores. */
const AT_ONCE = 4;

/** @param {string} text in hex */
const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
/** @param {ArrayBuffer} buffer */
const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {any} asked the parameters of a challenge @param {number} counter @returns {Promise<string>} the key of a counter */
async function keyOf({ nonce, salt, cost, keyLength }, counter) {
  const head = bytes(nonce), password = new Uint8Array(head.length + 4);
  password.set(head);
  new DataView(password.buffer).setUint32(head.length, counter);
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  return hex(await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: bytes(salt), iterations: cost }, key, keyLength * 8));
}

/** Post the solution, or null where the browser cannot derive keys: on plain http it does not. */
onmessage = async ({ data: asked }) => {
  try {
    for (let first = 0; ; first += AT_ONCE) {
      const keys = await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => keyOf(asked, first + at)));
      const found = keys.findIndex((key) => key.startsWith(asked.keyPrefix));
      if (found >= 0) return postMessage({ counter: first + found, derivedKey: keys[found] });
    }
  } catch { postMessage(null); }
};
