import { tell } from "./waiting-news.js";
import { $, BEFORE } from "./waiting-view.js";
import { recall } from "./waiting-line.js";

// The parts that only some pages need: each is loaded once a page needs it, and pages do without it until then.

/** The countdown to the opening, the ways to be called, and the icon with the place. @type {any} */
let before = null, alerts = null, icon = null;
/** The views with a sign of their own in the tab. @type {Record<string, string>} */
const SIGN = { called: "!", claimed: "!" };

/**
 * @param {any} doc the state document @param {any} me the ticket @param {number} age the document's, in seconds
 * @param {{view: string, was: string, status: string, place: number | null}} now
 */
export function drawParts(doc, me, age, { view, was, status, place }) {
  alerts?.noted(was, view, place);
  const sign = SIGN[view] ?? (view === "waiting" && place ? String(place) : "");
  if (icon) icon.mark(sign);
  else if (sign) import("./waiting-icon.js").then((part) => { icon = part; part.mark(sign); }).catch(() => {});
  // The message of this turn was the last one.
  if (view === "called" && $("mail-form")) [$("mail-form").hidden, $("no-mail-form").hidden] = [false, true];
  if (!doc) return;
  if (!doc.has_stock || doc.available) $("returns-box").hidden = true;
  else import("./returns.js").then((part) => part.offer(me, view, status, tell)).catch(() => {});
  if (before) before.set(doc, age);
  else if (BEFORE.includes(status)) import("./waiting-before.js").then((part) => { before = part; part.set(doc, age); }).catch(() => {});
}

export const beatParts = () => before?.beat();

/** Offer to call the shopper: a page that was asked to is kept awake by a worker while it is hidden. @param {() => void} wake does what is due */
export function offerAlerts(wake) {
  const load = () => import("./waiting-alert.js").then((part) => { alerts ??= part.begin(wake, tell); }).catch(() => {});
  $("alert").addEventListener("toggle", load);
  if (recall("waitroom-alert")) load();
}
