/**
 * Count seconds from now. The larger of two clocks, because one stops while the device sleeps
 * and the other can be set back; neither is ever compared with the server's.
 * @returns {() => number}
 */
export function stopwatch() {
  const wall = Date.now(), steady = performance.now();
  return () => Math.max(Date.now() - wall, performance.now() - steady) / 1000;
}

/** Count down from the server's seconds_left. @param {number} seconds @returns {() => number} */
export function countdown(seconds) {
  const gone = stopwatch();
  return () => Math.max(0, seconds - gone());
}

/**
 * Age of a document when its answer arrived, by the server's own clock and any cache's Age.
 * @param {Headers} headers @param {string} written
 */
export const ageOf = (headers, written) =>
  Math.max(0, (Date.parse(headers.get("Date") ?? "") - Date.parse(written)) / 1000 || 0) + Number(headers.get("Age") ?? 0);
