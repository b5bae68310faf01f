import { ask, NoAnswer } from "./api.js";

/** @param {string} id */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** @returns {string} the room on the screen */
export const room = () => $("room-choice")?.value ?? $("admin").dataset.room;

/** Send a request as the signed-in operator. @param {string} method @param {string} path under /admin @param {any} [body] @param {string} [key] */
export const admin = (method, path, body, key) => ask(method, `/admin${path}`, { body, key });

/** @param {string} [path] */
export const inRoom = (path = "") => `/rooms/${encodeURIComponent(room())}${path}`;

/**
 * Make a change, and tell the operator whether it was made.
 * @param {() => Promise<{ok: boolean, status: number, data: any}>} change @param {string} done
 * @returns {Promise<any>} the answer, or null when it was refused
 */
export async function tell(change, done) {
  $("admin-problem").textContent = $("admin-done").textContent = "";
  try {
    const { ok, status, data } = await change();
    if (status === 401) return void location.assign("/admin");
    if (ok) { $("admin-done").textContent = done; return data ?? {}; }
    $("admin-problem").textContent = [data?.title, data?.detail].filter(Boolean).join(": ") || `Refused (${status}).`;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    $("admin-problem").textContent = `${error.message} The change may or may not have been made. Check the figures before you try again.`;
  }
  return null;
}

/** Return a row of a table, with a head in its first cell. @param {(string | Node)[]} cells */
export function tableRow(cells) {
  const row = document.createElement("tr");
  cells.forEach((cell, i) => {
    const box = document.createElement(i ? "td" : "th");
    if (!i) box.setAttribute("scope", "row");
    box.append(cell);
    row.append(box);
  });
  return row;
}

/** Ask the operator before an act that cannot be undone. @param {string} title @param {string} text @param {string} yes @returns {Promise<boolean>} */
export function sure(title, text, yes) {
  const dialog = $("sure-dialog");
  $("sure-title").textContent = title;
  $("sure-text").textContent = text;
  $("sure-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
