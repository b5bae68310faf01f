import { ask, NoAnswer } from "./api.js";
import { ageOf, countdown, stopwatch } from "./clock.js";
import { estimate, milestone, whyLonger } from "./place.js";
import { $, announce, drawJoining, drawPlace, drawRoom, drawTicket, show, stock, tick } from "./waiting-view.js";

const { room, stateUrl, ticket } = $("room").dataset;
const base = `/rooms/${encodeURIComponent(room)}`;
const TURN = ["called", "missed", "claimed"];
const OVER = ["left", "over", "sold_out", "ended"];
const NEWS = {
  called: "It is your turn. Press Enter the checkout.", missed: "Your turn passed. You can come back.",
  claimed: "You are in. Continue to checkout.", sold_out: "Everything is sold.", left: "You left the line.",
};

let view = $("room").dataset.view, status = $("state-word").dataset.state;
let me = null, doc = null, refused = "none", joined = false, asked = !ticket;
let best = null, said = null, yardstick = null, why = "", whySince = stopwatch();
let age = null, left = null, warned = false, failures = 0, notBefore = () => 0, timer = 0, running = false;

const myLine = () => doc?.lines.find((line) => line.line === me?.line);
const rowHere = () => best != null && myLine()?.table.length ? estimate(myLine().table, best) : null;

const joinable = () => !me && !joined && refused === "none" && status !== "scheduled" && !OVER.includes(view);

async function join() {
  drawJoining();
  // No key of this tab's own: the browser's cookie makes a second tab's join the same one.
  const { ok, data } = await ask("POST", `${base}/tickets`);
  joined = ok;
  if (ok) keep(data); else refused = { room_ended: "ended", sold_out: "sold_out" }[data?.code] ?? "none";
}

async function readMe() {
  const answer = await ask("GET", `${base}/tickets/me`);
  asked = true;
  if (answer.ok) return keep(answer.data);
  me = null;
  if (joined) announce("Your browser did not keep the ticket. Allow cookies here, then take a number again.");
}

function keep(data) {
  me = data;
  left = me.seconds_left == null ? null : countdown(me.seconds_left);
  // Given once, with the place; the page of the public log checks it.
  if (me.receipt) remember(`waitroom-receipt:${room}`, JSON.stringify(me.receipt));
}

async function readState() {
  const { ok, data, headers } = await ask("GET", stateUrl);
  if (!ok || data.version < doc?.version) return;
  const old = ageOf(headers, data.updated_at), since = stopwatch();
  age = () => old + since();
  if (view === "waiting" && data.status === "paused" && status !== "paused") announce("The line is paused. Your place is kept.");
  if (view === "waiting" && data.status === "open" && status === "paused") announce("The line is moving again.");
  doc = data;
  status = doc.status;
}

/** While the document shows this ticket waiting, there is no need to ask for the ticket itself. */
function unsure() {
  const line = myLine();
  return me.status !== "left" && (me.status !== "waiting" || !line || me.number <= line.head || me.number > line.tail || OVER.includes(status));
}

function draw() {
  let next = me?.status ?? refused;
  if (["none", "waiting"].includes(next) && OVER.includes(status)) next = status;
  if (next !== view) {
    view = next;
    warned = false;
    show(view, TURN.includes(view));
    announce(NEWS[view] ?? "");
  }
  drawTicket(me);
  if (doc) { drawRoom(doc); offerReturns(); }
  if (doc && view === "waiting" && myLine()) drawLine();
}

/** Staying for returns is for when nothing is free; until then the page does without what it takes. */
function offerReturns() {
  if (!doc.has_stock || doc.available) $("returns-box").hidden = true;
  else import("./returns.js").then((part) => part.offer(me, view, status, announce));
}

/** The place never rises: the smallest one seen is kept, also over a reload. */
function drawLine() {
  const key = `place ${room} ${me.line} ${me.number}`;
  let [first, least] = (recall(key) || "Infinity Infinity").split(" ").map(Number);
  best = Math.min(best ?? least, least, Math.max(0, me.number - myLine().head));
  first = first < Infinity ? Math.max(first, best) : best;
  remember(key, `${first} ${best}`);
  const now = rowHere();
  if (!now) return;
  now.rate = doc.calling_per_min;
  const longer = yardstick ? whyLonger(yardstick, now) : "";
  if (longer || whySince() > 120) { why = longer; whySince = stopwatch(); }
  // The yardstick moves only down or with an explanation, so that slow growth is explained too.
  if (!yardstick || longer || now.high == null || yardstick.high == null || now.high < yardstick.high) yardstick = now;
  const halt = status === "paused" ? "The line is paused: nobody is called now. Your place is kept." : !doc.available && doc.held ? stock(doc) : "";
  drawPlace(now, first, halt || why);
  const news = status === "open" ? milestone(said, now) : "";
  if (news) { announce(news); said = now; }
}

// A private window may forbid storage; the page then only forgets where it began.
function recall(key) { try { return localStorage[key]; } catch { return ""; } }
function remember(key, value) { try { localStorage[key] = value; } catch { /* see above */ } }

/** Seconds until the next look, as the server wants it. */
const pace = () => OVER.includes(view) ? 10 : TURN.includes(view) ? 5 : (!me || unsure() ? me?.poll_s : rowHere()?.poll) ?? 5;

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
    if (failures > 2 && me) announce("The connection is back. Your place is kept.");
    failures = 0;
    draw();
    pause = pace() * (0.9 + Math.random() * 0.1);
  } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
    failures += 1;
    const wanted = error.retryAfter ?? 0;
    if (wanted) notBefore = countdown(wanted);
    pause = Math.max(wanted * (1 + Math.random() / 5), Math.min(30, 2 ** failures) * (0.5 + Math.random() / 2));
    if (failures === 1 && !me) announce(`${error.message} This page keeps trying.`);
    if (failures === 3 && me) announce("No connection right now. Your place is kept, and this page keeps trying.");
  }
  running = false;
  timer = setTimeout(cycle, Math.max(pause, 0.5) * 1000);
}

setInterval(() => {
  const seconds = left?.() ?? null;
  tick(view, best, seconds, age?.());
  if (view !== "called" || seconds == null) return;
  if (seconds <= 30 && seconds > 0 && !warned) { warned = true; announce("Less than 30 seconds left to enter."); }
  if (seconds === 0) { left = null; cycle(); }
}, 1000);

const ACTIONS = {
  async enter() {
    const { ok, data } = await ask("POST", `${base}/claims`);
    if (ok) return location.assign(data.checkout_url);
    await readMe();
    draw();
    announce(data?.code === "missed" ? "You are back. You are called again before anyone new." : data?.detail ?? "");
  },
  async join() {
    me = best = said = yardstick = null;
    refused = "none";
    await join();
    draw();
    cycle();
  },
  leave() {
    // Not waited for: the button has to be there again when the question is closed.
    import("./waiting-leave.js").then((part) => part.leave(`${base}/tickets/me`, announce)).then((gone) => {
      if (!gone) return;
      me = { status: "left" };
      draw();
    });
  },
};

document.addEventListener("submit", async (event) => {
  const act = ACTIONS[event.target.getAttribute("action")?.split("/").pop()];
  if (!act) return;
  event.preventDefault();
  event.submitter.disabled = true;
  try { await act(); } catch (error) { announce(`${error.message} Please try again in a moment.`); }
  event.submitter.disabled = false;
});

$("check").hidden = false;
$("check").addEventListener("click", cycle);
for (const type of ["pageshow", "online"]) addEventListener(type, cycle);
document.addEventListener("resume", cycle);
document.addEventListener("visibilitychange", () => document.hidden || cycle());
cycle();
