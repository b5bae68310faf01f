import { addressOf, NoAnswer } from "../api.js";
import { admin, inRoom, signIn } from "./api.js";

const POLL_MS = 1000;
/** While the stream is broken or refused the page polls, and tries a stream again after this time. */
const AGAIN_MS = 30_000;
/** A stream that says nothing for this long is broken, whatever the browser believes. */
const SILENT_MS = 8_000;

/**
 * Tell the figures of the room once a second for as long as the page is seen: from a stream, or one by one while there is none.
 * @param {(room: any) => void} tell
 */
export function watchRoom(tell) {
  /** @type {EventSource | null} */
  let stream = null;
  let heardAt = 0, againAt = 0;

  function open() {
    stream = new EventSource(addressOf(`/admin${inRoom("/stream")}`));
    heardAt = Date.now();
    stream.addEventListener("room", (event) => {
      heardAt = Date.now();
      tell(JSON.parse(event.data));
    });
    // A stream that ends in its time is opened again by the browser; one that was refused is closed.
    stream.addEventListener("error", () => { if (stream?.readyState === EventSource.CLOSED) drop(); });
  }

  function drop() {
    stream?.close();
    stream = null;
    againAt = Date.now() + AGAIN_MS;
  }

  async function look() {
    const { ok, status, data } = await admin("GET", inRoom("/live"));
    if (status === 401) return signIn();
    if (ok) tell(data);
  }

  async function step() {
    try {
      if (document.hidden) {
        // An unseen page holds no stream that another could have.
        stream?.close();
        stream = null;
        againAt = 0;
      } else if (stream && Date.now() - heardAt > SILENT_MS) drop();
      else if (!stream && Date.now() >= againAt) open();
      if (!document.hidden && !stream) await look();
    } catch (error) {
      if (!(error instanceof NoAnswer)) console.error(error);
    }
    setTimeout(step, POLL_MS);
  }

  document.addEventListener("visibilitychange", () => document.hidden || look().catch(() => {}));
  look().catch(() => {});
  step();
}
