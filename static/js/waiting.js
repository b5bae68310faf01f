import { ask, NoAnswer } from "./api.js";
import { ageOf, countdown, pauseAfter, stopwatch, TURN_PAUSE_S, usualPause, within } from "./clock.js";
import { watch } from "./waiting-line.js";
import { say } from "./words.js";
import { drawSkus } from "./waiting-skus.js";
import { $, announce, BEFORE, CALLS_NOBODY, drawJoining, drawRoom, drawTicket, show, tick, viewOf } from "./waiting-view.js";

const { room, stateUrl, ticket, claim } = $("room").dataset;
const base = `/rooms/${encodeURIComponent(room)}`;
const TURN = ["called", "missed", "claimed"], OVER = ["left", "over", "sold_out", "ended", "moved", "lost", "revoked"];

let view = $("room").dataset.view, status = $("state-word").dataset.state;
let me = null, token = "", doc = null, refused = view === "moved" ? view : "none", barred = false, joined = false, asked = !ticket;
let age = null, left = null, exchange = null, warned = false, failures = 0, seen = 0, notBefore = () => 0, timer = 0, running = false;
const course = watch(room);
const myLine = () => doc?.lines.find((line) => line.line === me?.line);
const joinable = () => !me && !joined && !barred && refused === "none" && status !== "scheduled" && !OVER.includes(view);

async function join() {
  drawJoining();
  // A tab has no key of its own: by the browser's cookie, a second tab joins as the same shopper.
  let { ok, data } = await ask("POST", `${base}/tickets`, { there: true });
  // The refusal has set the cookie again; a browser that keeps cookies sends it back now.
  if (data?.code === "cookies_needed") ({ ok, data } = await ask("POST", `${base}/tickets`, { there: true }));
  joined = ok;
  if (ok) return keep(data);
  refused = { room_ended: "ended", sold_out: "sold_out" }[data?.code] ?? "none";
  // The browser lacks something that this room asks for. The button tries again, the page does not.
  barred = refused === "none" && data?.code !== "not_open";
  if (barred) announce(data?.detail ?? "");
}

async function readMe() {
  const { ok, data } = await ask("GET", `${base}/tickets/me?version=${seen}`, { there: true });
  asked = true;
  if (ok) return keep(data);
  // The room was reset; a shopper inside stays there.
  const anew = data?.code === "line_over";
  if (anew && me?.status === "claimed") return;
  me = null;
  if (anew) { begin(); joined = false; draw(); announce(data.detail); }
  else if (["ticket_moved", "other_ticket"].includes(data?.code)) refused = "moved";
  else if ((joined || ticket) && !await (await import("./waiting-lost.js")).recover(base, token, announce, keep)) refused = "lost";
}

function keep(data) {
  if (me?.status === "entered" && data.number) announce(say("The order is drawn. Your number is {number}.", { number: data.number }));
  else if (me?.number && data.number && me.number !== data.number) announce(say("This browser has another number now: {number}. Before, it had {before}, reference {reference}.", { number: data.number, before: me.number, reference: me.reference }));
  [me, token, seen] = [data, data.ticket ?? token, Math.max(seen, data.version ?? 0)];
  if (me.status !== "entered") exchange = null;
  left = typeof me.seconds_left === "number" ? countdown(me.seconds_left) : null;
  // The receipt comes once, with the place; the log's page checks it. A private window may forbid storage.
  if (me.receipt) try { localStorage[`waitroom-receipt:${room}`] = JSON.stringify(me.receipt); } catch { /* it can be had no other way */ }
}

async function readState() {
  const { ok, data, headers } = await ask("GET", stateUrl, { there: true });
  if (!ok || !Array.isArray(data.lines) || !Number.isSafeInteger(data.version) || data.version < doc?.version) return;
  const old = ageOf(headers, data.updated_at), since = stopwatch();
  age = () => old + since();
  if (view === "waiting" && data.status === "paused" && status !== "paused") announce(say("The line is paused. Your place is kept."));
  if (view === "waiting" && data.status === "open" && status === "paused") announce(say("The line is moving again."));
  doc = data;
  status = doc.status;
  seen = Math.max(seen, doc.version);
  if (CALLS_NOBODY.includes(refused) && !CALLS_NOBODY.includes(status)) refused = "none";
}

/** Say whether the document leaves the ticket's state open, so that the page has to ask for it. */
function unsure() {
  const line = myLine();
  // Sold out and ended are states of the room, which may have received units since.
  if (OVER.includes(me.status) && (!CALLS_NOBODY.includes(me.status) || me.status === status)) return false;
  if (me.status === "entered") return ![...BEFORE, "drawing"].includes(status) && exchangeDue();
  if (me.status === "aside") return !me.passed && (!line || me.number <= line.head);
  return me.status !== "waiting" || !line || me.number <= line.head || me.number > line.tail || CALLS_NOBODY.includes(status);
}

/** Say whether to ask for the number: all entries get theirs at once, so each waits a random time. */
function exchangeDue() {
  exchange ??= countdown(Math.random() * Math.min(within(Number(claim) / 6, 0, 20, 20), 1 + within(myLine()?.entries, 0, 10_000, 0) / 500));
  return exchange() === 0;
}

/** @param {boolean} [acted] whether the shopper did something here, and looks for the result */
function draw(acted = false) {
  const next = viewOf(me?.status ?? refused, status);
  // The server knows what a turn that is over has bought, perhaps in another tab.
  if (view === "claimed" && next === "over") return location.reload();
  if (next !== view) {
    view = next;
    warned = false;
    show(view, acted, TURN.includes(view));
  }
  drawTicket(me);
  if (doc) { drawRoom(doc, myLine(), me?.entry); offerReturns(); drawSkus(doc, me, view === "waiting" ? myLine() : null, course.place()); }
  if (doc && view === "waiting" && myLine()) course.draw(me, doc, myLine());
}

/** Load the part for returns only once nothing is free; a page does without it until then. */
function offerReturns() {
  if (!doc.has_stock || doc.available) $("returns-box").hidden = true;
  else import("./returns.js").then((part) => part.offer(me, view, status, announce)).catch(() => {});
}

/** Return the seconds until the next look, as the server wants it. */
function pace() {
  if (exchange) return exchange() || 2;
  if (TURN.includes(view)) return TURN_PAUSE_S;
  return OVER.includes(view) ? 10 : usualPause(!me || unsure() ? me?.poll_s : course.poll(myLine()) ?? me.poll_s);
}

async function cycle() {
  if (running || notBefore() > 0) return;
  running = true;
  clearTimeout(timer);
  let pause;
  try {
    if (!asked) await readMe();
    if (joinable()) await join();
    draw();
    await readState();
    if (joinable()) await join();
    else if (me && unsure()) await readMe();
    if (failures > 2 && me) announce(say("The connection is back. Your place is kept."));
    failures = 0;
    draw();
    pause = Math.max(pace() * (0.9 + Math.random() * 0.1), 0.5);
  } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
    failures += 1;
    const { quiet, next } = pauseAfter(failures, error.retryAfter, TURN.includes(view));
    [pause, notBefore] = [next, countdown(quiet)];
    if (failures === 1 && !me) announce(`${error instanceof NoAnswer ? error.message : say("The answer could not be read.")} ${say("This page keeps trying.")}`);
    if (failures === 3 && me) announce(say("No connection right now. Your place is kept, and this page keeps trying."));
  }
  running = false;
  timer = setTimeout(() => { notBefore = () => 0; cycle(); }, pause * 1000);
}

setInterval(() => {
  const seconds = left?.() ?? null; tick(view, course.place(), seconds, age?.());
  if (view !== "called" || seconds == null) return;
  if (seconds <= 30 && seconds > 0 && !warned) { warned = true; announce(say("Less than 30 seconds left to enter.")); }
  if (seconds === 0) { left = null; cycle(); }
}, 1000);

/** Do something else with the place, by static/js/waiting-acts.js. @param {string} verb */
const act = (verb) => async (form) => {
  const part = await import("./waiting-acts.js");
  const found = await part.act(verb, base, form);
  if (found.gone) await readMe();
  if (found.me) { if (verb === "bring") begin(); keep(found.me); }
  draw(true);
  announce(found.said);
};

/** Start over without a ticket. */
function begin() {
  course.forget();
  [me, token, refused, barred] = [null, "", "none", false];
}

const ACTIONS = {
  async enter() {
    const { ok, data } = await ask("POST", `${base}/claims`);
    if (ok) return location.assign(data.checkout_url);
    await readMe();
    draw();
    if (data?.code !== "no_ticket") announce(data?.code === "missed" ? say("You are back. You are called again before anyone new.") : data?.detail ?? "");
  },
  async join() { begin(); await join(); draw(true); cycle(); },
  leave() {
    // The question is not awaited: the button has to be there again when it is closed.
    import("./waiting-leave.js").then((part) => part.leave(`${base}/tickets/me`, announce))
      .then((gone) => { if (gone) { me = { status: "left" }; draw(); } })
      .catch(() => announce(say("That is not available right now. Please try again in a moment.")));
  },
  aside: act("aside"), back: act("back"), code: act("code"), bring: act("bring"), "more-time": act("more-time"), choose: act("choose"),
};

document.addEventListener("submit", async (event) => {
  const does = ACTIONS[event.target.getAttribute("action")?.split("/").pop()];
  if (!does || "plain" in event.target.dataset) return;
  event.preventDefault();
  event.submitter.disabled = true;
  try { await does(event.target); } catch (error) { announce(`${error.message} ${say("Please try again in a moment.")}`); }
  event.submitter.disabled = false;
});

/** A shopper who returns to the page asks for the ticket too: it may have moved, or been revoked. */
const look = () => { asked = refused !== "lost" && !me || OVER.includes(me.status); cycle(); };

$("check").hidden = false;
$("check").addEventListener("click", look);
for (const type of ["pageshow", "online"]) addEventListener(type, cycle);
document.addEventListener("resume", cycle);
document.addEventListener("visibilitychange", () => document.hidden || look());
cycle();
