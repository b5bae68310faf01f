import { count, spell } from "../format.js";

/** Return a time in seconds, with tenths where they matter. @param {number | null} s */
export const lasting = (s) => (s == null ? "–" : s < 10 ? `${Math.round(s * 10) / 10} s` : spell(s));
const milli = (s) => (s == null ? "–" : s < 1 ? `${Math.round(s * 1000)} ms` : `${Math.round(s * 10) / 10} s`);
const number = (n) => (n == null ? "–" : count(Math.round(n * 10) / 10));

/** Return a time for an axis, where there is little room. @param {number} s */
export const short = (s) => (s < 120 ? `${s} s` : s < 7200 ? `${Math.round(s / 6) / 10} min` : `${Math.round(s / 360) / 10} h`);

const figure = (name) => (series) => series.figures[name];
const rate = (name) => (series) => series.rates[name];
const taken = (series) => series.figures.inside.map((inside, i) => inside + series.figures.called[i]);

/** The charts of the live screen. @type {import("./charts.js").Chart[]} */
export const PLOTS = [
  { id: "waiting", title: "People in line", say: number, lines: [{ label: "Waiting", of: figure("waiting"), look: "a", fill: true }] },
  { id: "seats", title: "Seats", say: number, lines: [
    { label: "Taken", of: taken, look: "a", fill: true },
    { label: "Inside", of: figure("inside"), look: "b" },
    { label: "Seats there are", of: figure("seats_max"), look: "limit", limit: true }] },
  { id: "units", title: "Units", say: number, lines: [
    { label: "Sold", of: figure("sold"), look: "a", fill: true },
    { label: "In baskets", of: figure("held"), look: "b" },
    { label: "Stock there is", of: figure("on_hand"), look: "limit", limit: true }] },
  { id: "flow", title: "In each minute", say: number, lines: [
    { label: "Joined", of: rate("joins_per_min"), look: "c" },
    { label: "Called", of: rate("calls_per_min"), look: "a" },
    { label: "Came in", of: rate("claims_per_min"), look: "b" }] },
  { id: "payments", title: "Payments in each minute", say: number, lines: [
    { label: "Paid", of: rate("paid_per_min"), look: "a" },
    { label: "Declined", of: rate("declines_per_min"), look: "b" }] },
  { id: "waits", title: "Waits of those called in the last minute", say: lasting, tick: short, lines: [
    { label: "Median", of: figure("wait_p50_s"), look: "a" },
    { label: "Nine in ten within", of: figure("wait_p90_s"), look: "b" }] },
  { id: "answers", title: "How fast the checkout answers", say: milli, lines: [
    { label: "Nineteen in twenty within", of: figure("answer_p95_s"), look: "a" }] },
];
