import { NoAnswer } from "./api.js";
import { $, admin, inRoom, room } from "./admin-api.js";
import { drawChart, forgetChart } from "./admin-chart.js";
import { wireCrowd } from "./admin-crowd.js";
import { drawAge, drawFigures } from "./admin-figures.js";
import { refreshLists } from "./admin-lists.js";
import { drawRules, forgetRules, wireRules } from "./admin-rules.js";
import { forgetSellers, refreshSellers, wireSellers } from "./admin-sellers.js";
import { drawSettings, forgetSettings, wireSteering } from "./admin-steer.js";
import { forgetStock, refreshStock, wireStock } from "./admin-stock.js";

const FIGURES_MS = 1000;
const LISTS_MS = 3000;

/** @param {any} shown the room as the server has it */
function draw(shown) {
  drawFigures(shown);
  drawSettings(shown);
  drawRules(shown);
  drawChart(shown.figures);
}

/**
 * Repeat a look-up for as long as the page is open; a failure only lets the age on the screen grow.
 * @param {() => Promise<void>} look @param {number} every
 */
async function repeat(look, every) {
  try { if (!document.hidden && room()) await look(); } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
  }
  setTimeout(() => repeat(look, every), every);
}

async function lookAtRoom() {
  const asked = room();
  const { ok, status, data } = await admin("GET", inRoom());
  if (status === 401) return location.assign("/admin");
  if (ok && asked === room()) draw(data);
}

async function lookAtLists() {
  await Promise.all([refreshStock(), refreshSellers(), refreshLists()]);
}

/** The line's screen opens with the room that is chosen here. */
function lead() { $("line-nav").href = `/admin/line?${new URLSearchParams({ room: room() })}`; }

lead();
wireSteering(draw);
wireRules(draw);
wireStock();
wireSellers();
if ($("admin").dataset.demo) wireCrowd();
$("room-choice")?.addEventListener("change", () => {
  lead();
  forgetChart();
  forgetSettings();
  forgetRules();
  forgetStock();
  forgetSellers();
  // A look that fails is repeated within seconds.
  for (const look of [lookAtRoom, lookAtLists]) look().catch(() => {});
});
document.addEventListener("visibilitychange", () => document.hidden || lookAtRoom().catch(() => {}));
setInterval(drawAge, 1000);
repeat(lookAtRoom, FIGURES_MS);
repeat(lookAtLists, LISTS_MS);
