import { NoAnswer } from "../api.js";
import { whileBarred } from "../busy.js";
import { $, admin, inRoom, sentence, signIn, tableRow, told } from "./api.js";
import { count, plural, spell } from "../format.js";
import { short } from "./live-plots.js";

const SECONDS = 3, WITHIN_MS = 60_000;
const time = (s) => short(s < 120 ? Math.round(s) : 60 * Math.round(s / 60));
const RULES = { seats_max: "seats", calls_per_minute: "calls a minute", policy: "how many to call", claim_window_s: "seconds to enter when called" };
const whole = (value) => count(Math.round(value));
const share = (part) => `${Math.round(part * 1000) / 10} %`;
/** The figures of a rehearsal, in words, with the words for more and for less of them. @type {[string, string, (value: number) => string, string, string][]} */
const FIGURES = [
  ["to_95_s", "95 % of what is left is sold after", time, "later", "sooner"],
  ["to_last_s", "The last unit is paid after", time, "later", "sooner"],
  ["sold", "Units sold in the time played", whole, "more", "fewer"],
  ["called_soon", "Called in the next ten minutes", whole, "more", "fewer"],
  ["wait_median_s", "Median wait of those who come in", time, "longer", "shorter"],
  ["wait_p95_s", "Nineteen in twenty of them wait less than", time, "longer", "shorter"],
  ["found_nothing_of_called", "Called, and found nothing", share, "more", "fewer"],
];

/** Write a figure with its range, and a word about it between them. @param {any} range @param {(value: number) => string} say @param {string} [word] */
function written(range, say, word = "") {
  if (!range) return "–";
  const [low, high] = [say(Math.max(range.low, 0)), say(range.high)];
  const unit = high.replace(/^[\d.,]+/, ""), from = low.endsWith(unit) ? low.slice(0, low.length - unit.length) : low;
  const box = document.createElement("span");
  const below = (className, textContent) => textContent && box.append(Object.assign(document.createElement("span"), { className, textContent }));
  box.append(say(range.mean));
  below("change", word);
  below("small range", low === high ? "" : `${from} to ${high}`);
  return box;
}

/** Say in a word whether a change is sure. @param {any} range @param {string} more @param {string} less */
function changeOf(range, more, less) {
  if (!range) return "";
  if (range.low > 0) return more;
  return range.high < 0 ? less : "no sure change";
}

/** Name the rules that were tried. @param {Record<string, any>} rules */
const tried = (rules) => Object.entries(rules).map(([name, value]) => (name === "policy"
  ? `“${$("policy").selectedOptions[0].textContent}”` : `${value == null ? "no limit of" : count(value)} ${RULES[name]}`)).join(", ");

/** @param {any} report @param {Record<string, any>} rules those that were tried */
function draw(report, rules) {
  const { assumed, scale } = report;
  $("trial").hidden = false;
  $("trial-rows").replaceChildren(...FIGURES.map(([name, words, say, more, less]) => tableRow([
    words, written(report.now.figures[name], say), written(report.then.figures[name], say, changeOf(report.difference[name], more, less))])));
  $("trial-rules").textContent = `What a change would do: ${tried(rules)}. Nothing was changed.`;
  const unsold = [report.now, report.then].some((half) => half.sold_out < report.sales) ? ` In some of them not everything was sold within the ${spell(report.until_s)} that were played; they count with that time.` : "";
  const smaller = scale < 1 ? ` The sale was played at ${share(scale)} of its size.` : "";
  $("trial-basis").textContent = `From ${plural(report.sales, "simulated sale")} with the same shoppers each: ${plural(assumed.unsold, "unit")} unsold, ${count(assumed.waiting)} in line, ${count(assumed.seated)} called or inside, ${count(assumed.joins_per_min)} arrivals a minute for half an hour, and shoppers who do as the last ${count(assumed.gone)} did. Everybody in line or inside begins anew, so the difference is worth more than either figure.${unsold}${smaller}`;
}

/** @param {() => Record<string, any>} wanted the rules in the form that differ from those of now */
export function wireTrial(wanted) {
  // The result is of the values that were tried.
  $("steer-form").addEventListener("input", () => {
    if (!$("trial").hidden) told("steer");
    $("trial").hidden = true;
  });
  $("try-out").addEventListener("click", async () => {
    const rules = wanted();
    if (!Object.keys(rules).length) return told("steer", { problem: "Change a value first: it is as it is now." });
    told("steer", { done: "Playing the rest of the sale, as it is and with the change. This takes some seconds…" });
    $("trial").hidden = true;
    try {
      const { ok, status, data } = await whileBarred($("try-out"), () => admin("POST", inRoom(`/rehearsal?seconds=${SECONDS}`), rules, undefined, WITHIN_MS));
      if (status === 401) return signIn();
      told("steer", ok ? { done: "The rehearsal is below. Nothing was changed." } : { problem: sentence(status, data) });
      if (ok) draw(data, rules);
      else $("trial").hidden = true;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      told("steer", { problem: error.message });
    }
  });
}
