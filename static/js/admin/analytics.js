import { NoAnswer } from "../api.js";
import { $, admin, inRoom, sentence, signIn, tableRow, told } from "./api.js";
import { drawBars, drawLines, partBar } from "./analytics-plot.js";
import { count, plural, spell } from "../format.js";
import { money } from "../money.js";
import { mayRead, momentOf, readMoment, setMoment, watchMoment } from "../moment.js";

const STEPS = { joined: "Joined", called: "Called", claimed: "Went in", held: "Had a basket", paid: "Paid" };
const OUTCOMES = { confirmed: "Bought", released: "Put back", expired: "Ran out", held: "Still open" };
let asked = 0;
/** The report on the screen, to draw it again when the window changes. @type {any} */
let shown = null;

const percent = (part) => (part == null ? "–" : new Intl.NumberFormat(document.documentElement.lang || "en", { style: "percent", maximumFractionDigits: 1 }).format(part));
/** Return a time in seconds, with tenths where they matter. */
const lasting = (seconds) => (seconds == null ? "–" : seconds < 10 ? `${Math.round(seconds * 10) / 10} s` : spell(seconds));

/** @param {number | null} part @param {string} text */
function withBar(part, text) {
  const box = Object.assign(document.createElement("span"), { className: "barred" });
  box.append(partBar(part), text);
  return box;
}

/** @returns {URLSearchParams} */
function wanted() {
  const length = Number($("last").value), query = new URLSearchParams();
  if (length) {
    const until = new Date();
    setMoment($("from"), new Date(until.getTime() - length * 1000));
    setMoment($("to"), until);
  }
  for (const name of ["from", "to"]) if (readMoment($(name))) query.set(name, readMoment($(name)));
  if ($("step").value) query.set("step", $("step").value);
  return query;
}

async function analyse() {
  if (!$("last").value && !mayRead($("from"), $("to"))) return;
  const turn = ++asked;
  told("report", { done: "Counting…" });
  try {
    const { ok, status, data } = await admin("GET", inRoom(`/analytics?${wanted()}`));
    if (status === 401) return signIn();
    if (turn !== asked) return;
    if (!ok) return told("report", { problem: sentence(status, data) });
    draw(data);
    told("report", { done: `${momentOf(data.from)} to ${momentOf(data.to)}: ${plural(data.total.orders, "order")}, ${money(data.total.net_minor, data.currency)}.` });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    told("report", { problem: error.message });
  }
}

/** @param {any} report */
function draw(report) {
  shown = report;
  $("report").hidden = false;
  const sum = (minor) => money(minor, report.currency);
  drawSales(report, sum);
  drawSkus(report, sum);
  if (report.walk) fill("walk-rows", report.walk.map((row) => [STEPS[row.step], withBar(row.of_joined, count(row.count)), percent(row.of_previous), percent(row.of_joined)]));
  fill("hold-rows", report.holds.map((row) => [OUTCOMES[row.outcome], withBar(row.share, count(row.count)), percent(row.share), lasting(row.p50_s), lasting(row.p90_s)]));
  const times = report.time_to_pay;
  $("pay-times").textContent = times.orders
    ? `From basket to payment, ${plural(times.orders, "order")}: median ${lasting(times.p50_s)}, 90th percentile ${lasting(times.p90_s)}, 99th ${lasting(times.p99_s)}.`
    : "No basket was paid for in this period.";
  drawWaits(report);
}

/** @param {any} report @param {(minor: number) => string} sum */
function drawSales({ sales, total }, sum) {
  for (const [name, text] of Object.entries({ net: sum(total.net_minor), sold: sum(total.sold_minor), refunded: sum(total.refunded_minor), orders: count(total.orders), units: count(total.units) })) $(`figure-${name}`).textContent = text;
  const up = sales.map((step) => step.sold_minor), down = sales.map((step) => step.refunded_minor);
  drawBars($("sales-chart"), up, down, sales.map((step) => `${momentOf(step.at)}: ${sum(step.sold_minor)} paid, ${sum(step.refunded_minor)} given back`));
  $("sales-top").textContent = `highest ${sum(Math.max(0, ...up))}`;
  axis("sales-axis", sales);
  fill("sales-rows", sales.map((step) => [momentOf(step.at), count(step.orders), count(step.units), sum(step.sold_minor), sum(step.refunded_minor), sum(step.net_minor)]));
}

/** @param {any} report @param {(minor: number) => string} sum */
function drawSkus({ skus, rest, total }, sum) {
  const row = (name, sales) => [name, withBar(total.sold_minor ? sales.net_minor / total.sold_minor : 0, sum(sales.net_minor)), sum(sales.sold_minor), sum(sales.refunded_minor), count(sales.units), count(sales.units_refunded), sales.orders == null ? "–" : count(sales.orders)];
  const rows = skus.map((sales) => row(`${sales.name} (${sales.sku})`, sales));
  if (rest.skus) rows.push(row(plural(rest.skus, "other SKU"), rest));
  fill("sku-rows", rows);
}

/** @param {any} report */
function drawWaits({ waits, walk }) {
  if (!walk) return;
  $("waits-none").hidden = waits != null;
  $("waits-box").hidden = waits == null;
  if (!waits) return;
  drawLines($("waits-chart"), [{ name: "most", values: waits.map((step) => step.p90_s) }, { name: "median", values: waits.map((step) => step.p50_s) }]);
  $("waits-top").textContent = `longest ${lasting(Math.max(0, ...waits.map((step) => step.p90_s ?? 0)))}`;
  axis("waits-axis", waits);
  fill("wait-rows", waits.map((step) => [momentOf(step.at), count(step.joined), count(step.called), lasting(step.p50_s), lasting(step.p90_s)]));
}

/** Write the first and the last step of a chart under it. @param {string} id @param {{at: string}[]} steps */
function axis(id, steps) {
  const ends = [steps[0], steps[steps.length - 1]].map((step) => Object.assign(document.createElement("span"), { textContent: step ? momentOf(step.at) : "" }));
  $(id).replaceChildren(...ends);
}

/** @param {string} id @param {(string | Node)[][]} rows */
function fill(id, rows) {
  $(id).replaceChildren(...(rows.length ? rows : [["Nothing in this period."]]).map(tableRow));
}

$("span").addEventListener("submit", (event) => { event.preventDefault(); analyse(); });
for (const id of ["last", "step"]) $(id).addEventListener("change", () => { if ($("last").value || id !== "last") analyse(); });
for (const id of ["from", "to"]) {
  watchMoment($(id));
  $(id).addEventListener("input", () => { $("last").value = ""; });
}
window.addEventListener("resize", () => shown && draw(shown));
analyse();
