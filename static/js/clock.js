/**
 * Return a function that tells the seconds since now, by the larger of two clocks: one stops while
 * the device sleeps, the other can be set back. @returns {() => number}
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

/** Return a document's age on arrival in seconds, by the server's own clock. @param {Headers} headers @param {string} written */
export const ageOf = (headers, written) =>
  Math.max(0, (Date.parse(headers.get("Date") ?? "") - Date.parse(written)) / 1000 || 0) + Number(headers.get("Age") ?? 0);
