import { $, tableRow } from "./api.js";
import { clockOf, DASHES, PLOTS } from "./live-plots.js";
import { shownSeries } from "./live-series.js";

/** uPlot is a script of its own. @type {any} */
const Plot = globalThis.uPlot;
const HEIGHT = 190, ROWS_MAX = 40, MARKS_MAX = 24;
const FORCED = matchMedia("(forced-colors: active)"), DARK = matchMedia("(prefers-color-scheme: dark)");

/** @type {Map<string, any>} */
const drawn = new Map();

/** Return the page's colours as they are now; a canvas does not follow a change of theme by itself. */
function colours() {
  const style = getComputedStyle($("charts"));
  const of = (name) => style.getPropertyValue(name).trim();
  return { a: of("--line-a"), b: of("--line-b"), c: of("--line-c"), limit: of("--line-limit"), ink: of("--line-ink"), grid: of("--line-grid"), fill: of("--line-fill") };
}

/** @param {any} plot one of PLOTS @param {HTMLElement} box */
function make(plot, box) {
  const colour = colours(), font = "12px system-ui, sans-serif";
  const axis = { stroke: colour.ink, font, grid: { stroke: colour.grid, width: 1 }, ticks: { stroke: colour.grid, width: 1 } };
  const options = {
    width: box.clientWidth || 320, height: HEIGHT, legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true }, y: { range: (_u, low, high) => [Math.min(low ?? 0, 0), Math.max(high ?? 1, 1) * 1.08] } },
    axes: [
      { ...axis, space: 70, values: (_u, ticks) => ticks.map((at) => clockOf(at, ticks.length > 1 && ticks[1] - ticks[0] < 60)) },
      { ...axis, size: 64, values: (_u, ticks) => ticks.map(plot.tick ?? plot.say) },
    ],
    series: [{}, ...plot.lines.map(({ label, look, limit, fill }) => ({
      label, stroke: colour[look], dash: DASHES[look], width: limit ? 1.5 : 2, fill: fill ? colour.fill : undefined,
      points: { show: limit ? false : undefined, size: 5, fill: colour[look] }, spanGaps: false,
    }))],
    hooks: { draw: [(u) => drawMarks(u, colour)], setCursor: [(u) => tellLegend(plot, u.cursor.idx)] },
  };
  return new Plot(options, dataOf(plot), box);
}

/** Draw a numbered line at each act of an operator. @param {any} u @param {any} colour */
function drawMarks(u, colour) {
  const { ctx, bbox } = u, ratio = globalThis.devicePixelRatio || 1;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour.ink;
  ctx.lineWidth = ratio;
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  shownMarks().forEach((mark, i) => {
    const x = Math.round(u.valToPos(mark.at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillText(String(i + 1), x + 3 * ratio, bbox.top + 11 * ratio);
  });
  ctx.restore();
}

const shownMarks = () => shownSeries()?.marks.slice(-MARKS_MAX) ?? [];

/** @param {any} plot */
function dataOf(plot) {
  const series = shownSeries();
  return series?.at.length ? [series.at, ...plot.lines.map((line) => line.of(series))] : [[], ...plot.lines.map(() => [])];
}

/** Draw all charts as the series is now. */
export function drawCharts() {
  const series = shownSeries();
  $("charts-none").hidden = Boolean(series?.at.length);
  $("charts").hidden = !series?.at.length;
  if (!series?.at.length) return;
  for (const plot of PLOTS) {
    const box = $(`plot-${plot.id}`);
    if (!drawn.has(plot.id)) drawn.set(plot.id, make(plot, box));
    else drawn.get(plot.id).setData(dataOf(plot));
    tellLegend(plot, null);
    box.setAttribute("aria-label", summary(plot));
    if ($(`table-${plot.id}`).open) fillTable(plot);
  }
  fillMarks();
}

/** Put a chart into words. @param {any} plot */
function summary(plot) {
  const parts = plot.lines.map((line) => {
    const values = line.of(shownSeries()), known = values.filter((value) => value != null);
    return `${line.label}: now ${plot.say(values[values.length - 1])}, highest ${plot.say(known.length ? Math.max(...known) : null)}`;
  });
  return `Chart: ${plot.title}. ${parts.join(". ")}. The table below has the figures.`;
}

/** Write the values under the pointer, or the last ones, beside the names of the lines. @param {any} plot @param {number | null} at */
function tellLegend(plot, at) {
  const series = shownSeries();
  if (!series) return;
  const index = at ?? series.at.length - 1;
  plot.lines.forEach((line, i) => {
    const place = $(`legend-${plot.id}-${i}`), text = plot.say(line.of(series)[index] ?? null);
    if (place.textContent !== text) place.textContent = text;
  });
  $(`at-${plot.id}`).textContent = at == null ? "" : clockOf(series.at[index], true);
}

/** @param {any} plot */
function fillTable(plot) {
  const series = shownSeries();
  if (!series) return;
  const step = Math.ceil(series.at.length / ROWS_MAX), rows = [];
  for (let i = series.at.length - 1; i >= 0; i -= step) rows.push(tableRow([clockOf(series.at[i], true), ...plot.lines.map((line) => plot.say(line.of(series)[i]))]));
  $(`rows-${plot.id}`).replaceChildren(...rows);
}

function fillMarks() {
  const marks = shownMarks(), text = JSON.stringify(marks);
  if ($("marks").dataset.shown === text) return;
  $("marks").dataset.shown = text;
  $("marks-box").hidden = !marks.length;
  $("marks").replaceChildren(...marks.map((mark) => Object.assign(document.createElement("li"), { textContent: `${clockOf(mark.at, true)}: ${mark.act}` })));
}

/** Draw everything from new colours or in another width. */
function redraw() {
  for (const u of drawn.values()) u.destroy();
  drawn.clear();
  drawCharts();
}

export function wireCharts() {
  for (const query of [FORCED, DARK]) query.addEventListener("change", redraw);
  for (const plot of PLOTS) $(`table-${plot.id}`).addEventListener("toggle", () => $(`table-${plot.id}`).open && fillTable(plot));
  new ResizeObserver(() => {
    for (const [id, u] of drawn) {
      const width = $(`plot-${id}`).clientWidth;
      if (width && width !== u.width) u.setSize({ width, height: HEIGHT });
    }
  }).observe($("charts"));
}
