import { addressOf } from "./api.js";
import { say } from "./words.js";

/** Later answers are told as refusals: a room that goes on asking is of no use to a shopper. */
const ANSWERS_MAX = 6;

/**
 * Bring what a join is asked for first, and join again: cookies, some work or waiting, an outside check.
 * @param {any} answer the refusal @param {(more: any) => Promise<any>} send joins with more in its body
 * @param {(text: string, about: string, stays: boolean) => void} tell
 */
export async function again(answer, send, tell) {
  for (let at = 0; at < ANSWERS_MAX; at += 1) {
    const { ok, data } = answer;
    if (ok) for (const line of document.querySelectorAll('#notice [data-about="join"]')) line.remove();
    if (!ok && data?.code === "proof_needed") {
      if (!at) tell(data.detail, "join", true);
      answer = await send({ proof: await proofFor(data) });
    } else if (!ok && data?.code === "check_needed") {
      tell(data.detail, "join", true);
      const token = await (await import("./waiting-check.js")).pass(data);
      if (!token) return { ok, data: { ...data, detail: say("The check could not be loaded. Please allow it in this browser, then try again.") } };
      answer = await send({ check: token });
    // The refusal has set the cookie again; it is sent back now.
    } else if (!ok && data?.code === "cookies_needed" && !at) answer = await send({});
    else return answer;
  }
  return answer;
}

/** Return what comes first: the solved work, or the stamp once it counts. @param {{challenge: any, stamp: string, wait_s: number}} asked @returns {Promise<string>} */
function proofFor({ challenge, stamp, wait_s: wait }) {
  return new Promise((done) => {
    const worker = new Worker(addressOf("/static/js/proof-worker.js"));
    const end = (/** @type {string} */ proof) => { worker.terminate(); done(proof); };
    worker.onmessage = ({ data: solution }) => { if (solution) end(btoa(JSON.stringify({ challenge, solution }))); };
    worker.postMessage(challenge.parameters);
    if (stamp) setTimeout(() => end(stamp), wait * 1000);
  });
}
