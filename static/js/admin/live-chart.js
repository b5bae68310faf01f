import { $, tableRow } from "./api.js";
import { count } from "../format.js";

// Ten minutes at one sample a second; older ones are dropped.
const SAMPLES_MAX = 600;
const ROW_EVERY_S = 30;
const WIDTH = 600, HEIGHT = 100;

/** @type {{at: number, waiting: number, seats: number, sold: number}[]} */
let samples = [];

/** @param {any} figures */
export function drawChart(figures) {
  samples.push({ at: Date.now(), waiting: figures.waiting ?? 0, seats: figures.seats_taken ?? 0, sold: figures.sold ?? 0 });
  samples = samples.slice(-SAMPLES_MAX);
  drawLine("waiting");
  drawLine("seats");
  drawRows();
}

/** @param {"waiting" | "seats"} name */
function drawLine(name) {
  const top = Math.max(1, ...samples.map((sample) => sample[name]));
  const from = samples[0].at, span = Math.max(60_000, Date.now() - from);
  const points = samples.map((sample) =>
    `${((sample.at - from) / span * WIDTH).toFixed(1)},${(HEIGHT - 4 - sample[name] / top * (HEIGHT - 10)).toFixed(1)}`);
  const last = points[points.length - 1].split(",")[0];
  const svg = $(`chart-${name}`);
  svg.querySelector(".edge").setAttribute("d", `M${points.join("L")}`);
  svg.querySelector(".area").setAttribute("d", `M0,${HEIGHT}L${points.join("L")}L${last},${HEIGHT}Z`);
  $(`chart-${name}-max`).textContent = `now ${count(samples[samples.length - 1][name])}, highest ${count(top)}`;
}

/** Write the chart as a table, for a screen reader. */
function drawRows() {
  const rows = samples.filter((_, i) => (samples.length - 1 - i) % ROW_EVERY_S === 0).reverse();
  $("chart-rows").replaceChildren(...rows.map((sample) => tableRow([
    new Date(sample.at).toLocaleTimeString(), count(sample.waiting), count(sample.seats), count(sample.sold),
  ])));
}
