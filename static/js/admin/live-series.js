import { admin, inRoom } from "./api.js";

/** A chart has about as many points as a screen has room for; when there are more, the series is read again, with a longer step. */
const POINTS_MAX = 900;

/** The columns of the series on the screen; `at` is in seconds of the Unix clock. @type {{at: number[], figures: Record<string, (number | null)[]>, rates: Record<string, (number | null)[]>, marks: {at: number, act: string}[], step_s: number} | null} */
let series = null;
let asked = 0;

export const shownSeries = () => series;

/**
 * Read the series again. @param {number} seconds the time until now to show, 0 from the doors on
 * @returns {Promise<boolean>} whether there is a new one
 */
export async function readSeries(seconds) {
  const turn = ++asked;
  const from = seconds ? `?from=${encodeURIComponent(new Date(Date.now() - seconds * 1000).toISOString())}` : "";
  const { ok, data } = await admin("GET", inRoom(`/series${from}`));
  if (!ok || turn !== asked) return false;
  series = data;
  return true;
}

/**
 * Put a row behind the series, once. @param {any} row as the figures of now have it, or null @param {number} seconds the time that is shown, 0 for all
 * @returns {"same" | "longer" | "full"} full: the series is to be read again
 */
export function addRow(row, seconds) {
  if (!series || !row) return "same";
  const last = series.at[series.at.length - 1] ?? 0;
  if (row.at <= last) return "same";
  // A series with a longer step waits for its next step.
  if (row.at - last < series.step_s - 0.5) return "same";
  series.at.push(row.at);
  for (const [name, column] of Object.entries(series.figures)) column.push(row.figures[name]);
  for (const [name, column] of Object.entries(series.rates)) column.push(row.rates[name]);
  while (seconds && series.at.length > 2 && series.at[0] < row.at - seconds) {
    series.at.shift();
    for (const column of [...Object.values(series.figures), ...Object.values(series.rates)]) column.shift();
  }
  return series.at.length > POINTS_MAX ? "full" : "longer";
}
