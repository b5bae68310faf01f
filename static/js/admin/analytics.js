import { NoAnswer } from "../api.js";
import { $, admin, fillRows, inRoom, sentence, signIn, told } from "./api.js";
import { charted } from "./charts.js";
import { lasting, short } from "./live-plots.js";
import { count, plural } from "../format.js";
import { money } from "../money.js";
import { mayRead, momentOf, readMoment, setMoment, watchMoment } from "../moment.js";

const STEPS = { joined: "Joined", called: "Called", claimed: "Went in", held: "Had a basket", paid: "Paid" };
const OUTCOMES = { confirmed: "Bought", released: "Put back", expired: "Ran out", held: "Still open" };
let asked = 0;
/** What the charts show, in columns; null before there is any. @type {{sales: any, waits: any}} */
const shown = { sales: null, waits: null };

const percent = (part) => (part == null ? "–" : new Intl.NumberFormat(document.documentElement.lang || "en", { style: "percent", maximumFractionDigits: 1 }).format(part));
const sum = (minor) => money(minor ?? 0, shown.sales.currency);
const column = (name) => (data) => data[name];

/** @type {import("./charts.js").Chart[]} */
const SALES = [{ id: "sales", title: "Sales over time", say: (minor) => sum(Math.abs(minor ?? 0)),
  lines: [{ label: "Paid", of: column("sold_minor"), look: "a", bars: true }, { label: "Given back", of: (data) => data.refunded_minor.map((minor) => -minor), look: "b", bars: true }],
  columns: [{ of: column("orders"), say: count }, { of: column("units"), say: count }, ...["sold_minor", "refunded_minor", "net_minor"].map((name) => ({ of: column(name), say: sum }))] }];
/** @type {import("./charts.js").Chart[]} */
const WAITS = [{ id: "waits", title: "Waits by the moment of the call", say: lasting, tick: short,
  lines: [{ label: "Median", of: column("p50_s"), look: "a", dots: true }, { label: "Nine in ten within", of: column("p90_s"), look: "b", dots: true }],
  columns: [...["joined", "called"].map((name) => ({ of: column(name), say: count })), { of: column("p50_s") }, { of: column("p90_s") }] }];
const when = (at) => momentOf(new Date(at * 1000).toISOString());
const drawSalesChart = charted($("sales-charts"), SALES, () => shown.sales, { when, last: "at the end" });
const drawWaitsChart = $("waits-charts") ? charted($("waits-charts"), WAITS, () => shown.waits, { when, last: "at the end" }) : () => {};

/** Turn the steps of a report into columns. @param {Record<string, any>[]} steps */
function columnsOf(steps) {
  const names = Object.keys(steps[0] ?? {}).filter((name) => name !== "at");
  return { at: steps.map((step) => Date.parse(step.at) / 1000), ...Object.fromEntries(names.map((name) => [name, steps.map((step) => step[name])])) };
}

/** @param {number | null} part @param {string} text */
function withBar(part, text) {
  const box = Object.assign(document.createElement("span"), { className: "barred" });
  const bar = Object.assign(document.createElement("span"), { className: "part" }), filled = document.createElement("i");
  bar.setAttribute("aria-hidden", "true");
  filled.style.width = `${100 * Math.min(Math.max(part ?? 0, 0), 1)}%`;
  bar.append(filled);
  box.append(bar, text);
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
  $("report").hidden = false;
  drawSales(report);
  drawSkus(report);
  if (report.walk) fill("walk-rows", report.walk.map((row) => [STEPS[row.step], withBar(row.of_joined, count(row.count)), percent(row.of_previous), percent(row.of_joined)]));
  fill("hold-rows", report.holds.map((row) => [OUTCOMES[row.outcome], withBar(row.share, count(row.count)), percent(row.share), lasting(row.p50_s), lasting(row.p90_s)]));
  const times = report.time_to_pay;
  $("pay-times").textContent = times.orders
    ? `From basket to payment, ${plural(times.orders, "order")}: median ${lasting(times.p50_s)}, 90th percentile ${lasting(times.p90_s)}, 99th ${lasting(times.p99_s)}.`
    : "No basket was paid for in this period.";
  drawWaits(report);
}

/** @param {any} report */
function drawSales({ sales, total, currency }) {
  shown.sales = { currency, ...columnsOf(sales) };
  for (const [name, text] of Object.entries({ net: sum(total.net_minor), sold: sum(total.sold_minor), refunded: sum(total.refunded_minor), orders: count(total.orders), units: count(total.units) })) $(`figure-${name}`).textContent = text;
  drawSalesChart();
}

/** @param {any} report */
function drawSkus({ skus, rest, total }) {
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
  shown.waits = columnsOf(waits);
  drawWaitsChart();
}

/** @param {string} id @param {(string | Node)[][]} rows */
const fill = (id, rows) => fillRows(id, rows, "Nothing in this period.");

$("span").addEventListener("submit", (event) => { event.preventDefault(); analyse(); });
for (const id of ["last", "step"]) $(id).addEventListener("change", () => { if ($("last").value || id !== "last") analyse(); });
for (const id of ["from", "to"]) {
  watchMoment($(id));
  $(id).addEventListener("input", () => { $("last").value = ""; });
}
analyse();
