import { NoAnswer } from "../api.js";
import { $ } from "./api.js";
import { drawAlerts, drawSellOut } from "./live-alerts.js";
import { drawCharts, wireCharts } from "./live-charts.js";
import { wireCrowd } from "./live-crowd.js";
import { drawDraw, wireDraw } from "./live-draw.js";
import { drawAge, drawFigures } from "./live-figures.js";
import { refreshLists } from "./live-lists.js";
import { addRow, readSeries } from "./live-series.js";
import { changedRules, drawSettings, wireSteering } from "./live-steer.js";
import { watchRoom } from "./live-stream.js";
import { wirePhase } from "./phase.js";
import { wireTrial } from "./live-trial.js";

const LISTS_MS = 3000;
/** The series is read again this often, for operators' acts and for what a break left out. */
const SERIES_MS = 60_000;

const span = () => Number($("chart-span").value);

/** @param {any} shown the room as the server has it */
function draw(shown) {
  drawFigures(shown);
  drawSettings(shown);
  drawDraw(shown);
}

/** @param {any} shown the room with what needs an act, the sell-out and the last row of its series */
function drawNow(shown) {
  draw(shown);
  drawAlerts(shown);
  drawSellOut(shown);
  const change = addRow(shown.row, span());
  if (change === "longer") drawCharts();
  else if (change === "full") lookAtSeries().catch(() => {});
}

async function lookAtSeries() {
  if (await readSeries(span())) drawCharts();
}

/**
 * Repeat a look-up for as long as the page is open; a failure only lets the age on the screen grow.
 * @param {() => Promise<void>} look @param {number} every
 */
async function repeat(look, every) {
  try { if (!document.hidden) await look(); } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
  }
  setTimeout(() => repeat(look, every), every);
}

/** @param {any} now the room as a change has left it */
const shown = (now) => { draw(now); lookAtSeries().catch(() => {}); };
// A narrow screen begins with what needs an act, and opens the rest when it is wanted.
if (matchMedia("(max-width: 40rem)").matches) for (const box of /** @type {NodeListOf<any>} */ (document.querySelectorAll("details.fold"))) box.open = false;
wireCharts();
wirePhase(shown);
wireSteering(shown);
wireTrial(changedRules);
wireDraw();
if ($("admin").dataset.demo) wireCrowd();
$("chart-span").addEventListener("change", () => lookAtSeries().catch(() => {}));
document.addEventListener("visibilitychange", () => document.hidden || lookAtSeries().catch(() => {}));
setInterval(drawAge, 1000);
watchRoom(drawNow);
repeat(lookAtSeries, SERIES_MS);
repeat(refreshLists, LISTS_MS);
