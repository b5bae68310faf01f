import { ask, addressOf, NoAnswer, pathIn } from "../api.js";
import { markField } from "./fields.js";
import { proved } from "./proof.js";

/** @param {string} id */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** @returns {string} the room that the address names */
export const room = () => $("admin").dataset.room;

/**
 * Send a request as the signed-in operator. An act that needs a fresh proof asks for it here, and is then sent again; the form stays as it is.
 * @param {string} method @param {string} path under /admin @param {any} [body] @param {string} [key] @param {number} [withinMs]
 */
export async function admin(method, path, body, key, withinMs) {
  const send = () => ask(method, `/admin${path}`, { body, key, withinMs });
  const answer = await send();
  const stale = answer.status === 403 && answer.data?.code === "fresh_sign_in_needed";
  return stale && await proved(answer.data.ways) ? send() : answer;
}

/** @param {string} [path] */
export const inRoom = (path = "") => `/rooms/${encodeURIComponent(room())}${path}`;

/** Go to the sign-in, which leads back here: the session is over. */
export const signIn = () => void location.assign(addressOf(`/admin/login?${new URLSearchParams({ to: pathIn(location.pathname) + location.search + location.hash })}`));

/**
 * Say beside a form what came of it; without an outcome, clear its place.
 * @param {string} at the name of the place, as in the template's `told` @param {{done?: string, problem?: string}} [outcome]
 */
export function told(at, { done = "", problem = "" } = {}) {
  const place = $(`${at}-told`);
  place.querySelector(".status").textContent = done;
  place.querySelector(".problem").textContent = problem;
  if (problem) place.scrollIntoView({ block: "nearest" });
}

/** Return a refusal's own sentence. @param {number} status @param {any} data the problem document */
export const sentence = (status, data) => data?.detail || data?.title || `The server refused this (${status}).`;

/** Refuse a value before it is sent, at its field. @param {string} at the name of the place @param {string} field its name or id @param {string} problem */
export function refuse(at, field, problem) {
  told(at);
  if (!markField($(`${at}-told`), field, problem)) told(at, { problem });
}

/**
 * Make a change, and tell the operator beside its form whether it was made; a refusal of one value is told at its field.
 * @param {() => Promise<{ok: boolean, status: number, data: any}>} change @param {string} done @param {string} at the name of the place
 * @returns {Promise<any>} the answer, or null when it was refused
 */
export async function tell(change, done, at) {
  told(at);
  try {
    const { ok, status, data } = await change();
    if (status === 401) return signIn();
    if (ok) { told(at, { done }); return data ?? {}; }
    if (data?.field) refuse(at, data.field, sentence(status, data));
    else told(at, { problem: sentence(status, data) });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    told(at, { problem: `${error.message} The change may or may not have been made. Check the figures before you try again.` });
  }
  return null;
}

/**
 * Make a change as `tell` does, for a form that goes on from its refusal.
 * @param {() => Promise<{ok: boolean, status: number, data: any}>} change @param {string} done @param {string} at
 * @returns {Promise<{now: any, refused: any}>} the answer, or the refusal
 */
export async function tried(change, done, at) {
  /** @type {any} */
  let refused = null;
  const now = await tell(async () => {
    const answer = await change();
    if (!answer.ok) refused = answer.data;
    return answer;
  }, done, at);
  return { now, refused };
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

/** Show rows in the body of a table, or one sentence where there are none. @param {string} id @param {(string | Node)[][]} rows @param {string} none */
export function fillRows(id, rows, none) {
  const body = $(id), row = document.createElement("tr");
  row.append(Object.assign(document.createElement("td"), { colSpan: body.parentElement.tHead.rows[0].cells.length, textContent: none }));
  body.replaceChildren(...(rows.length ? rows.map(tableRow) : [row]));
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
