import { NoAnswer } from "../api.js";
import { wirePhase } from "./phase.js";
import { $, admin, inRoom, signIn } from "./api.js";
import { drawChart } from "./live-chart.js";
import { wireCrowd } from "./live-crowd.js";
import { drawDraw, wireDraw } from "./live-draw.js";
import { drawAge, drawFigures } from "./live-figures.js";
import { refreshLists } from "./live-lists.js";
import { drawSettings, wireSteering } from "./live-steer.js";

const FIGURES_MS = 1000;
const LISTS_MS = 3000;

/** @param {any} shown the room as the server has it */
function draw(shown) {
  drawFigures(shown);
  drawSettings(shown);
  drawDraw(shown);
  drawChart(shown.figures);
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

async function lookAtRoom() {
  const { ok, status, data } = await admin("GET", inRoom());
  if (status === 401) return signIn();
  if (ok) draw(data);
}

wirePhase(draw);
wireSteering(draw);
wireDraw();
if ($("admin").dataset.demo) wireCrowd();
document.addEventListener("visibilitychange", () => document.hidden || lookAtRoom().catch(() => {}));
setInterval(drawAge, 1000);
repeat(lookAtRoom, FIGURES_MS);
repeat(refreshLists, LISTS_MS);
