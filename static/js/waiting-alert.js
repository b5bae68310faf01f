import { addressOf } from "./api.js";
import { say } from "./words.js";

// The ways to be called, each by the shopper's own wish: a sound, a vibration, a notification.

const KEY = "waitroom-alert", NEAR = 5;
/** @type {Record<string, {label: string, there: boolean}>} */
const WAYS = {
  sound: { label: say("Sound"), there: typeof AudioContext === "function" },
  vibration: { label: say("Vibration"), there: typeof navigator.vibrate === "function" },
  notification: { label: say("Notification"), there: typeof Notification === "function" },
};
/** Three notes, in hertz. */
const NOTES = [660, 880, 1100], NOTE_S = 0.22, LOUD = 0.25;
const SHAKES_MS = [300, 150, 300, 150, 600];

const read = () => { try { return new Set((localStorage[KEY] || "").split(" ").filter(Boolean)); } catch { return new Set(); } };
const wanted = read();
/** @type {AudioContext | null} */
let sounds = null;
let nearly = null, worker = null;
const TAG = `waitroom-${location.pathname}`;
/** @type {Promise<ServiceWorkerRegistration> | null} */
let shower = null;

/** Browsers let a page sound only after its shopper has touched it. */
function wake() {
  if (!wanted.has("sound")) return;
  sounds ??= new AudioContext();
  sounds.resume().catch(() => {});
}

function ring() {
  if (sounds?.state !== "running") return;
  NOTES.forEach((pitch, at) => {
    const start = sounds.currentTime + at * NOTE_S, tone = new OscillatorNode(sounds, { frequency: pitch }), volume = new GainNode(sounds, { gain: LOUD });
    volume.gain.setTargetAtTime(0, start + NOTE_S / 2, NOTE_S / 4);
    tone.connect(volume).connect(sounds.destination);
    tone.start(start);
    tone.stop(start + 2 * NOTE_S);
  });
}

/** @param {string} text */
function call(text) {
  if (wanted.has("sound")) ring();
  if (wanted.has("vibration")) navigator.vibrate(SHAKES_MS);
  if (wanted.has("notification") && Notification.permission === "granted") notify(text).catch(() => {});
}

/** Return the registration through which notifications are shown, once its worker runs. @returns {Promise<ServiceWorkerRegistration>} */
function notes() {
  shower ??= navigator.serviceWorker.register(addressOf("/static/js/waiting-notes.js")).then((found) => found.active ? found : new Promise((done) => {
    const worker = found.installing ?? found.waiting;
    worker.addEventListener("statechange", () => found.active && done(found));
  }));
  // It is tried again when it is needed.
  shower.catch(() => { shower = null; });
  return shower;
}

/** Show a notification in place of the one before. @param {string} text */
async function notify(text) {
  const title = document.getElementById("room").dataset.name, options = { body: text, tag: TAG, renotify: true, requireInteraction: true, data: location.pathname };
  try {
    await (await notes()).showNotification(title, options);
  } catch {
    // A private window may forbid service workers, and is no phone's.
    const note = new Notification(title, options);
    note.onclick = () => { window.focus(); note.close(); };
  }
}

/** Take back what called to a turn that is over. */
async function hush() {
  for (const note of await (await shower)?.getNotifications({ tag: TAG }) ?? []) note.close();
}

/** Keep the page awake while it is hidden: browsers let its own timers run once a minute. @param {() => void} beat */
function stayAwake(beat) {
  if (!wanted.size) { worker?.terminate(); worker = null; return; }
  if (worker) return;
  worker = new Worker(addressOf("/static/js/waiting-ticker.js"));
  worker.onmessage = () => document.hidden && beat();
}

/** @param {string} way @param {boolean} on @param {(text: string, about: string) => void} tell */
async function choose(way, on, tell) {
  if (on && way === "notification" && await Notification.requestPermission() !== "granted") {
    tell(say("This browser does not allow notifications from here. You can allow them in its settings."), "alert");
    return false;
  }
  if (on && way === "notification") notes().catch(() => {});
  if (on) wanted.add(way); else wanted.delete(way);
  try { localStorage[KEY] = [...wanted].join(" "); } catch { /* it is forgotten with this page */ }
  wake();
  return on;
}

/**
 * Draw the ways, and return what is to hear of each view. @param {() => void} beat lets the page do what is due
 * @param {(text: string, about: string) => void} tell
 */
export function begin(beat, tell) {
  const box = document.getElementById("alert-ways");
  for (const [way, { label, there }] of Object.entries(WAYS)) {
    if (!there) continue;
    const line = document.createElement("label"), tick = Object.assign(document.createElement("input"), { type: "checkbox", id: `alert-${way}`, checked: wanted.has(way) });
    tick.addEventListener("change", async () => { tick.checked = await choose(way, tick.checked, tell); stayAwake(beat); });
    line.append(tick, " ", label);
    box.append(line);
  }
  const test = Object.assign(document.createElement("button"), { type: "button", id: "alert-test", className: "plain", textContent: say("Try it") });
  test.addEventListener("click", () => { wake(); call(say("This is how you are called.")); });
  box.append(test);
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, wake);
  stayAwake(beat);
  if (wanted.has("notification")) notes().catch(() => {});
  return {
    /** @param {string} was @param {string} view @param {number | null} place */
    noted(was, view, place) {
      if (view === "called" && was !== "called") call(document.getElementById("room").dataset.sells ? say("It is your turn. Press Enter the checkout.") : say("It is your turn. Press the button to enter."));
      if (was === "called" && view !== "called") hush().catch(() => {});
      // A page that has just loaded does not know its place yet, and tells no news of it.
      if (view === "waiting" && place == null) return;
      const near = view === "waiting" && place <= NEAR;
      if (near && nearly === false) call(say("It is almost your turn."));
      nearly = near;
    },
  };
}
