import { addressOf } from "../api.js";
import { $, admin, inRoom, room, tell } from "./api.js";
import { ofHundred } from "./fields.js";
import { facts, isNew, say } from "./line-parts.js";
import { plural } from "../format.js";
import { momentOf } from "../moment.js";

const JOIN_BY = {
  open: "Everyone, without an invitation. An invitation leads to its own lane.",
  invitation: "Only invited people, with one place for each link.",
  customer: "Signed-in customers, with one place each.",
};
const BEFORE_OPENING = ["scheduled", "before_opening"];
/** @type {any} */
let shown = null;

/** The room as it was last read; null before that. */
export const roomNow = () => shown;

const isAhead = (at) => at != null && new Date(at) > new Date();

/** @param {any} now */
function doors({ status, doors_at: at, settings }) {
  if (!BEFORE_OPENING.includes(status)) return isAhead(at) ? "Opened with the sale." : at ? `Opened ${momentOf(at)}.` : "";
  const then = "people get places, and no one is called before the sale opens.";
  if (isAhead(at)) return `${momentOf(at)}: from then on ${then}`;
  if (status === "before_opening") return `Open${at ? ` since ${momentOf(at)}` : ""}: ${settings.order_by === "draw" ? "people enter the draw, and no one is called before the sale opens." : then}`;
  return "With the sale: people get places once it opens.";
}

/** @param {any} now */
function opening({ status, opens_at: at }) {
  if (!BEFORE_OPENING.includes(status)) return "The sale has opened.";
  return at ? `${momentOf(at)}, automatically.` : "When an operator opens it.";
}

/** @param {any} now */
function closing({ status, closes_at: at }) {
  if (status === "ended") return "The sale has ended.";
  return at ? `${momentOf(at)}, automatically and for good: no one joins or is called after that.` : "When an operator ends it.";
}

/** @param {any} now */
function order({ settings }) {
  if (settings.order_by !== "draw") return "First come, first served.";
  const source = settings.public_value_source;
  return `By draw among early arrivals; later arrivals follow in order. ${source ? `The draw uses a public value, which will be published here: ${source}.` : "The draw uses no public value, so the log will say that you could have chosen among orders."}`;
}

/** @param {any} one */
const drawWord = ({ status, entries, drawn_at: at }) => ({
  announced: `announced, ${plural(entries, "entry", "entries")} so far`,
  closing: `closed with ${plural(entries, "entry", "entries")}; the closing is being signed`,
  waits_for_value: `closed with ${plural(entries, "entry", "entries")}; no one is called until the public value is entered`,
  drawing: `closed with ${plural(entries, "entry", "entries")}; the order is being drawn`,
  drawn: `drawn among ${plural(entries, "entry", "entries")}${at ? `, ${momentOf(at)}` : ""}`,
}[status] ?? status);

/** @param {any} now */
function draw({ draw: lines }) {
  const word = lines.map((one) => (lines.length > 1 ? `${one.lane}: ` : "") + drawWord(one)).join("; ");
  return word && `${word[0].toUpperCase()}${word.slice(1)}.`;
}

/** @param {any} now */
function calling({ policy, settings }) {
  const most = ofHundred(settings.disappointed_max);
  return {
    expected: most ? `As many as the stock can serve: of 100 people called, at most ${most} ${most === 1 ? "finds" : "find"} nothing.` : "As many as the stock can serve: no called shopper is expected to find nothing.",
    guaranteed: "Only when a unit is set aside: every called shopper who comes in time finds one.",
    rate: "As many as seats and rate allow: a call sets nothing aside.",
  }[policy];
}

/** @param {any} now the room as the server has it */
export function drawPlan(now) {
  shown = now;
  const said = { Doors: doors(now), Opening: opening(now), Closing: closing(now), Order: order(now), "The draw": draw(now), "Who may join": JOIN_BY[now.settings.join_by], "How many to call": calling(now) };
  if (isNew("plan", said)) $("plan").replaceChildren(...facts(Object.entries(said)));
  if ($("value-waits")) $("value-waits").hidden = !now.draw.some((one) => one.status === "waits_for_value");
  drawOpenness(now);
}

/** Show which pages are public. @param {any} now */
function drawOpenness({ status, settings }) {
  const open = settings.log_public === "live" || status === "ended";
  const path = encodeURIComponent(room());
  $("log-link").hidden = !open;
  $("log-link").href = addressOf(`/rooms/${path}/log`);
  $("log-file").href = addressOf(`/admin${inRoom("/log.jsonl")}`);
  say("log-word", open ? "Everybody can read it." : "Everybody can read it once the sale has ended. Until then only operators can, as a file.");
  const everybody = settings.fairness_public;
  $("fairness-link").href = addressOf(`/admin${inRoom("/fairness")}`);
  $("fairness-public-link").hidden = !everybody;
  $("fairness-public-link").href = addressOf(`/rooms/${path}/fairness`);
  say("fairness-word", everybody ? "Everybody can read it." : "Only operators can read it.");
  say("fairness-switch", everybody ? "Show it to operators only" : "Show it to everybody");
}

export function wirePlan() {
  $("fairness-switch")?.addEventListener("click", async () => {
    if (!shown) return;
    const wanted = !shown.settings.fairness_public;
    const now = await tell(() => admin("PATCH", inRoom(), { fairness_public: wanted }), wanted ? "Everybody can read the fairness report now." : "Only operators can read the fairness report now.", "fairness");
    if (now) drawPlan(now);
  });
}
