import { $ } from "./api.js";
import { charted } from "./charts.js";
import { PLOTS } from "./live-plots.js";
import { shownSeries } from "./live-series.js";
import { clockOf, inZoneHere } from "../moment.js";

const ROWS_MAX = 40, MARKS_MAX = 24;
const shownMarks = () => shownSeries()?.marks.slice(-MARKS_MAX) ?? [];
const when = (at) => clockOf(at * 1000, true);
const draw = charted($("charts"), PLOTS, shownSeries, { when, rowsMax: ROWS_MAX, newestFirst: true, marks: shownMarks });

/** Let a narrow screen choose its chart. */
export function wireCharts() {
  const pick = $("chart-pick");
  const show = () => { for (const { id } of PLOTS) $(`plot-${id}`).closest(".plot").classList.toggle("is-picked", id === pick.value); };
  pick.append(...PLOTS.map(({ id, title }) => new Option(title, id)));
  pick.addEventListener("change", () => { show(); draw(); });
  show();
}

/** Draw all charts as the series is now. */
export function drawCharts() {
  const some = Boolean(shownSeries()?.at.length);
  $("charts-none").hidden = some;
  $("charts").hidden = !some;
  draw();
  if (some) fillMarks();
}

function fillMarks() {
  const marks = shownMarks(), text = JSON.stringify(marks);
  if ($("marks").dataset.shown === text) return;
  $("marks").dataset.shown = text;
  $("marks-box").hidden = !marks.length;
  $("marks").replaceChildren(...marks.map((mark) => Object.assign(document.createElement("li"), { textContent: `${when(mark.at)}: ${inZoneHere(mark.act)}` })));
}
