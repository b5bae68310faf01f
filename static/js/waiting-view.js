import { mmss, band, count, odds, plural, timeOfDay } from "./format.js";

/** @param {string} id */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));
const WORDS = { scheduled: "Scheduled", open: "Open", paused: "Paused", sold_out: "Sold out", ended: "Ended" };
const name = $("room").dataset.name;

/** Write only what changed. @param {string} id @param {string} text */
export function put(id, text) { if ($(id).textContent !== text) $(id).textContent = text; }

/** Milestones only. @param {string} text */
export const announce = (text) => put("status", text);

/** @param {string} view @param {boolean} focus */
export function show(view, focus) {
  $("room").dataset.view = view;
  for (const part of document.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(view);
  if (focus) document.querySelector(`[data-for="${view}"] :is(button, a)`)?.focus({ preventScroll: true });
}

export function drawJoining() { put("join-title", "Taking your number"); $("join").hidden = true; }

/** @param {any} me the ticket */
export function drawTicket(me) {
  $("stub").hidden = !me?.number;
  $("for-returns").hidden = !me?.for_returns;
  if (!me?.number) return;
  put("number", count(me.number));
  put("reference", `${me.line}-${me.number}`);
}

/** @param {import("./place.js").Estimate} now @param {number} first the place at joining @param {string} why */
export function drawPlace(now, first, why) {
  put("place", now.place ? count(now.place) : "Next");
  put("people-ahead", count(Math.max(0, now.place - 1)));
  put("ahead-label", now.place === 2 ? "person ahead of you" : "people ahead of you");
  $("progress").value = first ? 1 - now.place / first : 1;
  put("wait", band(now.low, now.high));
  put("chance", odds(now.chance));
  put("why", why);
  $("why").hidden = !why;
}

/** @param {any} doc the room's state document */
export function drawRoom(doc) {
  put("state-word", WORDS[doc.status] ?? doc.status);
  $("state-word").dataset.state = doc.status;
  $("message-box").hidden = !doc.message;
  put("message", doc.message ?? "");
  put("message-at", doc.message_at ? timeOfDay(doc.message_at) : "");
  $("stock-box").hidden = doc.available == null;
  put("stock", stock(doc));
  for (const at of document.querySelectorAll(".opens")) at.textContent = doc.opens_at ? `, at ${timeOfDay(doc.opens_at)} your time` : "";
  const soon = doc.status === "scheduled";
  put("join-title", soon ? "Not open yet" : "Join the line");
  $("join").hidden = soon;
}

/** @param {{status: string, available: number, held: number}} doc */
export function stock({ status, available, held }) {
  if (available) return `${plural(available, "item")} left${held ? `, ${count(held)} in other people’s baskets` : ""}.`;
  if (held) return `${plural(held, "item is", "items are")} in other people’s baskets and none is free. If any comes back, the line moves on.`;
  return status === "sold_out" ? "Everything is sold." : "What is left is promised to people who have been called.";
}

/** @param {string} view @param {number | null} place @param {number | null} left @param {number} [age] */
export function tick(view, place, left, age) {
  if (age != null) put("updated", `${age < 90 ? plural(Math.round(age), "second") : plural(Math.round(age / 60), "minute")} ago`);
  if (view === "called" && left != null) { put("claim-label", "Time left to enter:"); put("claim-left", mmss(left)); }
  const lead = { called: `Your turn${left == null ? "" : ` ${mmss(left)}`}`, claimed: "You are in", missed: "Your turn passed", sold_out: "Sold out" }[view]
    ?? (view === "waiting" && place != null ? (place ? count(place) : "Next") : "");
  document.title = lead ? `${lead} · ${name}` : name;
}
