import { $ } from "./api.js";
import { drawState } from "./frame.js";
import { drawPhase } from "./phase.js";
import { stopwatch } from "../clock.js";
import { count, plural } from "../format.js";
import { money } from "../money.js";

const COUNTS = ["entries", "waiting", "called", "held", "sold", "available", "promised", "missed", "came_back", "left", "orders_paid", "orders_declined", "orders_authorizing"];
const RATES = ["joins_per_min", "calls_per_min", "claims_per_min"];
let since = stopwatch();

/** @param {string} name @param {string} text */
function put(name, text) {
  const cell = $(`figure-${name}`);
  if (cell && cell.textContent !== text) cell.textContent = text;
}

/** @param {any} shown the room */
export function drawFigures({ status, settings, figures }) {
  since = stopwatch();
  drawState(status);
  drawPhase(status);
  for (const name of COUNTS) put(name, figures[name] == null ? "–" : count(figures[name]));
  for (const name of RATES) put(name, figures[name] == null ? "–" : count(Math.round(figures[name])));
  put("inside", count(figures.claimed ?? 0));
  put("seats_taken", `${count(figures.seats_taken ?? 0)} of ${count(settings.seats_max)}`);
  if (figures.currency) put("revenue", money(figures.revenue_minor ?? 0, figures.currency));
  put("leader", figures.leader ? `${figures.leader}, term ${figures.term}` : "none leads");
  for (const name of ["sold", "held", "promised", "available"]) {
    document.querySelector(`.stockbar .is-${name}`)?.style.setProperty("--n", String(figures[name] ?? 0));
  }
  drawAge();
}

/** Show the age of the figures, which stand still while the server is out of reach. */
export function drawAge() {
  const age = Math.round(since());
  $("figures-at").textContent = age < 3 ? "Live" : `No answer for ${plural(age, "second")}; these are the last figures`;
}
