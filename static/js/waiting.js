import { ask, addressOf, newKey, NoAnswer } from "./api.js";
import { ageOf, countdown, pauseAfter, stopwatch, TURN_PAUSE_S, usualPause, within } from "./clock.js";
import { wire } from "./waiting-forms.js";
import { keepTrace, trace, watch } from "./waiting-line.js";
import { speak, tell } from "./waiting-news.js";
import { beatParts, drawParts, offerAlerts } from "./waiting-parts.js";
import { tellFailure, tellLook, tellNumber, tellRoom, tellSuccess, tellView } from "./waiting-told.js";
import { say } from "./words.js";
import { drawSkus } from "./waiting-skus.js";
import { $, BEFORE, CALLS_NOBODY, drawDrawn, drawFirst, drawJoining, drawRoom, drawTicket, isDrawing, show, tick, viewOf } from "./waiting-view.js";

const { room, stateUrl, ticket, claim, asks, invited, sku } = $("room").dataset;
const base = `/rooms/${encodeURIComponent(room)}`;
const TURN = ["called", "missed", "claimed"], OVER = ["left", "over", "sold_out", "ended", "moved", "lost", "elsewhere", "revoked"];

let view = $("room").dataset.view, status = $("state-word").dataset.state;
let me = null, token = "", doc = null, refused = ["moved", "elsewhere"].includes(view) ? view : "none", barred = !!(asks || invited), joined = false, asked = !ticket;
let age = null, left = null, exchange = null, warned = false, failures = 0, seen = 0, notBefore = () => 0, timer = 0, dueAt = 0, running = false;
const course = watch(room), key = window.clientKey ?? newKey().replaceAll("-", ""), joining = { there: true, body: sku && { sku }, headers: { "Waitroom-Client-Key": key } };
const myLine = () => doc?.lines.find((line) => line.line === me?.line);
const joinable = () => !me && !joined && !barred && refused === "none" && status !== "scheduled" && !OVER.includes(view);

async function join() {
  drawJoining();
  // A second tab joins as the same shopper, by the browser's cookie. The head of the page may have asked already.
  let { ok, data } = await ask("POST", `${base}/tickets`, { ...joining, early: window.joining?.() });
  // The room asks for something that the page has, or can make.
  if (/^(cookies|proof|check)_needed$/.test(data?.code)) ({ ok, data } = await (await import("./waiting-again.js")).again({ ok, data }, (more) => ask("POST", `${base}/tickets`, { ...joining, body: { ...joining.body, ...more } }), tell));
  joined = ok;
  if (ok) return keep(data);
  delete $("room").dataset.joins;
  refused = { room_ended: "ended", sold_out: "sold_out" }[data?.code] ?? "none";
  // The room asks for something else. The button tries again, the page does not.
  barred = refused === "none" && data?.code !== "not_open";
  if (barred) tell(data?.detail ?? "", "join", true);
}

async function readMe() {
  const { ok, data } = await ask("GET", `${base}/tickets/me?version=${seen}`, { there: true });
  asked = true;
  if (ok) return keep(data);
  // The room was reset; a shopper inside stays there.
  const anew = data?.code === "line_over";
  if (anew && me?.status === "claimed") return;
  me = null;
  if (anew) { begin(); joined = false; draw(); tell(data.detail); }
  else if (["ticket_moved", "other_ticket"].includes(data?.code)) refused = "moved";
  else if ((joined || ticket) && !await (await import("./waiting-lost.js")).recover(base, token, key, tell, keep)) refused = data?.code === "ticket_bound" ? "elsewhere" : "lost";
}

function keep(data) {
  tellNumber(me, data);
  [me, token, seen] = [data, data.ticket ?? token, Math.max(seen, data.version ?? 0)];
  if (me.status !== "entered") exchange = null;
  left = typeof me.seconds_left === "number" ? countdown(me.seconds_left) : null;
  keepTrace(room, me);
}

async function readState() {
  const { ok, data, headers } = await ask("GET", stateUrl, { there: true });
  if (!ok || !Array.isArray(data.lines) || !Number.isSafeInteger(data.version) || data.version < doc?.version) return;
  const old = ageOf(headers, data.updated_at), since = stopwatch();
  age = () => old + since();
  tellRoom(view, me, status, data.status);
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
  const next = viewOf(me?.status ?? refused, status), was = view;
  // The server knows what a turn has bought, perhaps in another tab.
  if (view === "claimed" && me?.status === "over") return location.reload();
  if (next !== view) {
    [view, warned] = [next, false];
    tellView(view); show(view, acted, TURN.includes(view));
  }
  drawTicket(me);
  if (doc) { drawRoom(doc, myLine(), me?.entry); drawSkus(doc, me, view === "waiting" ? myLine() : null, course.place()); }
  if (!doc && view === "waiting" && me.place != null) drawFirst(me.place);
  drawDrawn(me, doc ?? { status }, myLine());
  if (doc && view === "waiting" && myLine()) course.draw(me, doc, myLine());
  beat();
  drawParts(doc, me, age?.() ?? 0, { view, was, status, place: course.place() });
}

/** Return the seconds until the next look, as the server wants it. */
function pace() {
  if (exchange || TURN.includes(view)) return exchange ? exchange() || 2 : TURN_PAUSE_S;
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
    tellSuccess(failures, me);
    failures = 0;
    draw();
    pause = Math.max(pace() * (0.9 + Math.random() * 0.1), 0.5);
  } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
    failures += 1;
    const { quiet, next } = pauseAfter(failures, error.retryAfter, TURN.includes(view));
    [pause, notBefore] = [next, countdown(quiet)];
    tellFailure(failures, error instanceof NoAnswer ? error.message : say("The answer could not be read."), me);
  }
  running = false;
  dueAt = Date.now() + pause * 1000;
  timer = setTimeout(due, pause * 1000);
}

function due() { notBefore = () => 0; cycle(); }

/** Bring the clocks of the page up to date. */
function beat() {
  const seconds = left?.() ?? null; tick(view, course.place(), seconds, age?.());
  beatParts();
  if (view !== "called" || seconds == null) return;
  if (seconds <= 30 && seconds > 0 && !warned) { warned = true; speak(say("Less than 30 seconds left to enter."), true); }
  if (seconds === 0) { left = null; cycle(); }
}
setInterval(beat, 1000);

/** Do something else with the place, by static/js/waiting-acts.js. @param {string} verb */
const act = (verb) => async (form) => {
  const part = await import("./waiting-acts.js");
  const found = await part.act(verb, base, form);
  if (found.gone) await readMe();
  if (found.me) { if (verb === "bring") begin(); keep(found.me); }
  draw(true);
  tell(found.said, "act");
};

/** Start over without a ticket. */
function begin() {
  course.forget();
  keepTrace(room, null);
  [me, token, refused, barred] = [null, "", "none", !!invited];
}

const ACTIONS = {
  async enter() {
    const { ok, data } = await ask("POST", `${base}/claims`);
    if (ok) return location.assign(addressOf(data.checkout_url));
    await readMe();
    draw();
    if (data?.code !== "no_ticket") tell(data?.code === "missed" ? say("You are back. You are called again before anyone new.") : data?.detail ?? "", "act");
  },
  async join() { begin(); await join(); draw(true); cycle(); },
  leave() {
      import("./waiting-leave.js").then((part) => part.leave(`${base}/tickets/me`, tell, isDrawing(status)))
      .then((gone) => { if (gone) { me = { status: "left" }; keepTrace(room, me); draw(); } })
      .catch(() => tell(say("That is not available right now. Please try again in a moment."), "net"));
  },
  aside: act("aside"), back: act("back"), code: act("code"), bring: act("bring"), "more-time": act("more-time"), choose: act("choose"), mail: act("mail"), "no-mail": act("no-mail"),
};

wire(ACTIONS);

/** A shopper who returns to the page asks for the ticket too: it may have moved, or been revoked. */
const look = () => { asked = !["lost", "elsewhere"].includes(refused) && !me || OVER.includes(me?.status); return cycle(); };

$("check").hidden = false;
$("check").onclick = async () => { await look(); tellLook(failures > 0); };
for (const type of ["pageshow", "online"]) addEventListener(type, cycle);
document.addEventListener("resume", cycle);
document.addEventListener("visibilitychange", () => document.hidden || look());
offerAlerts(() => { if (Date.now() >= dueAt && !running) { clearTimeout(timer); due(); } beat(); });
// A browser that lost the cookies of a place here takes no other number unasked.
const had = !ticket && view === "none" && trace(room);
if (had) { refused = "lost"; import("./waiting-lost.js").then((part) => part.name(had.number, had.reference)).catch(() => {}); }
cycle();
