import { NoAnswer } from "../api.js";
import { $, admin, inRoom, sentence, signIn, tableRow, told } from "./api.js";
import { count, plural, spell } from "../format.js";

const SECONDS = 3, WITHIN_MS = 60_000;
const time = (s) => (s < 90 ? `${Math.round(s)} s` : spell(s));
const share = (part) => `${Math.round(part * 1000) / 10} %`;
/** The figures of a rehearsal, in words. @type {[string, string, (value: number) => string][]} */
const FIGURES = [
  ["to_95_s", "95 % of what is left is sold after", time],
  ["to_last_s", "The last unit is paid after", time],
  ["sold", "Units sold in the time played", (value) => count(Math.round(value))],
  ["called_soon", "Called in the next ten minutes", (value) => count(Math.round(value))],
  ["wait_median_s", "Half of those who come in had waited for", time],
  ["wait_p95_s", "Nineteen in twenty had waited for less than", time],
  ["found_nothing_of_called", "Of those called, find nothing", share],
];

/** @param {any} range @param {(value: number) => string} say */
function written(range, say) {
  if (!range) return "–";
  const [low, high] = [say(Math.max(range.low, 0)), say(range.high)];
  return low === high ? say(range.mean) : `${say(range.mean)} (${low} to ${high})`;
}

/** Say in a word whether a change is sure. @param {any} range */
function changeOf(range) {
  if (!range) return "–";
  if (range.low > 0) return "more";
  if (range.high < 0) return "less";
  return "no sure change";
}

/** @param {any} report */
function draw(report) {
  const { assumed, scale } = report;
  $("trial").hidden = false;
  $("trial-rows").replaceChildren(...FIGURES.map(([name, words, say]) => tableRow([
    words, written(report.now.figures[name], say), written(report.then.figures[name], say), changeOf(report.difference[name])])));
  const unsold = [report.now, report.then].some((half) => half.sold_out < report.sales) ? ` In some of them not everything was sold within the ${spell(report.until_s)} that were played; they count with that time.` : "";
  const smaller = scale < 1 ? ` The sale was played at ${share(scale)} of its size.` : "";
  $("trial-basis").textContent = `From ${plural(report.sales, "simulated sale")} with the same shoppers each: ${plural(assumed.unsold, "unit")} unsold, ${count(assumed.waiting)} in line, ${count(assumed.seated)} called or inside, ${count(assumed.joins_per_min)} arrivals a minute for half an hour, and shoppers who do as the last ${count(assumed.gone)} did. Everybody in line or inside begins anew, so the difference is worth more than either figure.${unsold}${smaller}`;
}

/** @param {() => Record<string, any>} wanted the rules in the form that differ from those of now */
export function wireTrial(wanted) {
  $("try-out").addEventListener("click", async () => {
    const rules = wanted();
    if (!Object.keys(rules).length) return told("steer", { problem: "Change a value first: it is as it is now." });
    told("steer", { done: "Playing the rest of the sale…" });
    $("try-out").disabled = true;
    try {
      const { ok, status, data } = await admin("POST", inRoom(`/rehearsal?seconds=${SECONDS}`), rules, undefined, WITHIN_MS);
      if (status === 401) return signIn();
      told("steer", ok ? { done: "Nothing was changed. This is what the change would do:" } : { problem: sentence(status, data) });
      if (ok) draw(data);
      else $("trial").hidden = true;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      told("steer", { problem: error.message });
    } finally { $("try-out").disabled = false; }
  });
}
