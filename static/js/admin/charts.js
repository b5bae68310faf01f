import { $, tableRow } from "./api.js";
import { clockOf } from "../moment.js";
import { locale } from "../words.js";

/** uPlot is a script of its own. @type {any} */
const Plot = globalThis.uPlot;
const HEIGHT = 190, DAY_S = 86_400;
const FORCED = matchMedia("(forced-colors: active)"), DARK = matchMedia("(prefers-color-scheme: dark)");
/** Dashes of the lines by their look. @type {Record<string, number[]>} */
const DASHES = { a: [], b: [7, 4], c: [2, 3], limit: [10, 3, 2, 3] };

/**
 * A line has a colour, a dash and a name of its own, so that no line is told by its colour alone; a limit is drawn thin, and what comes in steps as bars or with dots.
 * @typedef {{label: string, of: (data: any) => (number | null)[], look: string, limit?: boolean, fill?: boolean, bars?: boolean, dots?: boolean}} Line
 * A chart; its table has the lines, or columns of its own.
 * @typedef {{id: string, title: string, say: (n: number | null) => string, tick?: (n: number) => string, lines: Line[], columns?: {of: (data: any) => any[], say?: (n: any) => string}[]}} Chart
 */

/** Return the page's colours as they are now; a canvas does not follow a change of theme by itself. @param {HTMLElement} box */
function coloursOf(box) {
  const style = getComputedStyle(box), of = (name) => style.getPropertyValue(name).trim();
  return { a: of("--line-a"), b: of("--line-b"), c: of("--line-c"), limit: of("--line-limit"), ink: of("--line-ink"), grid: of("--line-grid"), fill: of("--line-fill") };
}

/** Write the moments of an axis: the day where a step is a day or more, else the clock. @param {number[]} ticks */
function ticksOf(ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 0;
  const write = step >= DAY_S ? (at) => new Date(at * 1000).toLocaleDateString(locale, { day: "numeric", month: "short" }) : (at) => clockOf(at * 1000, step > 0 && step < 60);
  return ticks.map(write);
}

/** Draw a numbered line at each mark. @param {any} u @param {any} colour @param {{at: number}[]} marks */
function drawMarks(u, colour, marks) {
  const { ctx, bbox } = u, ratio = globalThis.devicePixelRatio || 1;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour.ink;
  ctx.lineWidth = ratio;
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  marks.forEach((mark, i) => {
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

/**
 * Draw charts, each with its values in words and a table of the same figures.
 * @param {HTMLElement} box around all of them @param {Chart[]} charts
 * @param {() => any} shown the data, with `at` in seconds of the Unix clock; null before there is any
 * @param {{when: (at: number) => string, last?: string, rowsMax?: number, newestFirst?: boolean, marks?: () => {at: number, act: string}[]}} options
 */
export function charted(box, charts, shown, { when, last = "now", rowsMax = Infinity, newestFirst = false, marks = () => [] }) {
  /** @type {Map<string, any>} */
  const drawn = new Map();
  const dataOf = (chart) => [shown().at, ...chart.lines.map((line) => line.of(shown()))];

  /** @param {Chart} chart */
  function make(chart) {
    // What comes in steps needs room for half a step at both ends.
    const inSteps = chart.lines.some((line) => line.bars || line.dots);
    const aroundSteps = (u, low, high) => {
      const at = u.data[0], half = inSteps && at.length > 1 ? (at[1] - at[0]) / 2 : 0;
      return [low - half, high + half];
    };
    const place = $(`plot-${chart.id}`), colour = coloursOf(box);
    const axis = { stroke: colour.ink, font: "12px system-ui, sans-serif", grid: { stroke: colour.grid, width: 1 }, ticks: { stroke: colour.grid, width: 1 } };
    const options = {
      width: place.clientWidth || 320, height: HEIGHT, padding: [null, 24, null, null], legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true, range: aroundSteps }, y: { range: (_u, low, high) => [Math.min(low ?? 0, 0) * 1.08, Math.max(high ?? 1, 1) * 1.08] } },
      axes: [
        { ...axis, space: 95, values: (_u, ticks) => ticksOf(ticks) },
        { ...axis, size: (_u, values) => 24 + 6.5 * Math.max(4, ...(values ?? []).map((text) => text.length)), values: (_u, ticks) => ticks.map(chart.tick ?? chart.say) },
      ],
      series: [{}, ...chart.lines.map(({ label, look, limit, fill, bars, dots }) => ({
        label, stroke: colour[look], dash: bars ? [] : DASHES[look], width: bars ? 0 : limit ? 1.5 : 2, fill: bars ? colour[look] : fill ? colour.fill : undefined,
        ...(bars && { paths: Plot.paths.bars({ size: [0.7, 40] }) }),
        points: { show: limit || bars ? false : dots || undefined, size: 5, fill: colour[look] }, spanGaps: false,
      }))],
      hooks: { draw: [(u) => drawMarks(u, colour, marks())], setCursor: [(u) => tellLegend(chart, u.cursor.idx)] },
    };
    return new Plot(options, dataOf(chart), place);
  }

  /** Put a chart into words. @param {Chart} chart */
  function summary(chart) {
    const parts = chart.lines.map((line) => {
      const values = line.of(shown()), known = values.filter((value) => value != null);
      return `${line.label}: ${last} ${chart.say(values[values.length - 1])}, highest ${chart.say(known.length ? Math.max(...known) : null)}`;
    });
    return `Chart: ${chart.title}. ${parts.join(". ")}. The table below has the figures.`;
  }

  /** Write the values under the pointer, or the last ones, beside the names of the lines. @param {Chart} chart @param {number | null} at */
  function tellLegend(chart, at) {
    const data = shown();
    if (!data) return;
    const index = at ?? data.at.length - 1;
    chart.lines.forEach((line, i) => {
      const place = $(`legend-${chart.id}-${i}`), text = chart.say(line.of(data)[index] ?? null);
      if (place.textContent !== text) place.textContent = text;
    });
    $(`at-${chart.id}`).textContent = at == null ? "" : when(data.at[index]);
  }

  /** @param {Chart} chart */
  function fillTable(chart) {
    const data = shown();
    if (!data) return;
    const step = Math.ceil(data.at.length / rowsMax) || 1, columns = (chart.columns ?? chart.lines).map((one) => ({ values: one.of(data), say: one.say ?? chart.say }));
    const rows = [];
    for (let i = data.at.length - 1; i >= 0; i -= step) rows.push(tableRow([when(data.at[i]), ...columns.map(({ values, say }) => say(values[i]))]));
    $(`rows-${chart.id}`).replaceChildren(...(newestFirst ? rows : rows.reverse()));
  }

  /** Draw a chart, unless it is hidden. @param {Chart} chart */
  function drawOne(chart) {
    const place = $(`plot-${chart.id}`);
    if (!shown()?.at.length || !place.clientWidth) return;
    if (!drawn.has(chart.id)) drawn.set(chart.id, make(chart));
    else drawn.get(chart.id).setData(dataOf(chart));
    tellLegend(chart, null);
    place.setAttribute("aria-label", summary(chart));
    if ($(`table-${chart.id}`).open) fillTable(chart);
  }

  /** Draw each chart in a task of its own, so that an operator's click never waits for all of them. */
  function draw() {
    for (const chart of charts) setTimeout(drawOne, 0, chart);
  }

  /** Draw everything from new colours. */
  function redraw() {
    for (const u of drawn.values()) u.destroy();
    drawn.clear();
    draw();
  }

  for (const query of [FORCED, DARK]) query.addEventListener("change", redraw);
  for (const chart of charts) $(`table-${chart.id}`).addEventListener("toggle", () => $(`table-${chart.id}`).open && fillTable(chart));
  new ResizeObserver(() => {
    for (const chart of charts) {
      const width = $(`plot-${chart.id}`).clientWidth, u = drawn.get(chart.id);
      if (!width) continue;
      if (!u) drawOne(chart);
      else if (width !== u.width) u.setSize({ width, height: HEIGHT });
    }
  }).observe(box);
  return draw;
}
