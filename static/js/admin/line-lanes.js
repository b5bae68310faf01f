import { $, admin, inRoom, refuse, sure, tell } from "./api.js";
import { offer, say, stackedRow } from "./line-parts.js";
import { count, plural } from "../format.js";

const MAY_CHANGE = $("admin").dataset.role !== "viewer";
/** Rows stay in place between refreshes, so that typing in one is never interrupted. @type {Map<string, {texts: Text[], share: any}>} */
const rows = new Map();
/** Lanes whose share was edited since. @type {Set<string>} */
const touched = new Set();
/** @type {any[]} */
let lanes = [];

export const laneOf = (line) => lanes.find((lane) => lane.line === line);

// Addresses with very many places stand there, and it is called only while no one else waits.
const BEHIND = "behind";

/** @param {number} part of all @returns {string} the same in percent */
const ofHundred = (part) => count(Math.round(part * 1000) / 10);

/** @param {any[]} found */
export function drawLanes(found) {
  lanes = found;
  found.forEach(drawLane);
  offer("invite-lane", found.map(({ lane }) => [lane, lane]));
  offer("place-line", found.map(({ line }) => [line, line]));
  foresee();
}

/** @param {any} lane */
function drawLane({ lane, head, tail, entries, part, share }) {
  const waiting = tail || !entries ? count(tail - head) : `${count(entries)} in the draw`;
  const isBehind = lane === BEHIND;
  const figures = [count(tail), waiting, isBehind ? "The rest" : ofHundred(part)];
  let row = rows.get(lane);
  if (!row) {
    row = { texts: figures.map(() => document.createTextNode("")), share: MAY_CHANGE && !isBehind ? shareForm(lane) : document.createTextNode("") };
    rows.set(lane, row);
    $("lane-rows").append(stackedRow($("lane-rows"), [lane, row.share, ...row.texts.slice().reverse()]));
  }
  row.texts.forEach((text, i) => { if (text.textContent !== figures[i]) text.textContent = figures[i]; });
  if (isBehind) row.share.textContent = "After all others";
  else if (!MAY_CHANGE) row.share.textContent = count(share);
  else if (!touched.has(lane) && row.share.elements.share.value !== String(share)) row.share.elements.share.value = String(share);
}

/** @param {string} lane */
function shareForm(lane) {
  const form = document.createElement("form");
  form.className = "row share";
  const share = Object.assign(document.createElement("input"), { type: "number", name: "share", min: "0.001", max: "1000", step: "any", required: true });
  share.setAttribute("aria-label", `Share of ${lane}`);
  share.addEventListener("input", () => { touched.add(lane); foresee(); });
  const set = Object.assign(document.createElement("button"), { textContent: "Set" });
  set.setAttribute("aria-label", `Set the share of ${lane}`);
  set.setAttribute("aria-describedby", "lane-forecast");
  form.append(share, set);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await put(lane, Number(share.value), `The share of ${lane} is set.`)) touched.delete(lane);
  });
  return form;
}

/** @param {string} lane @param {number} share @param {string} done */
async function put(lane, share, done) {
  const answer = await tell(() => admin("PUT", inRoom(`/lanes/${encodeURIComponent(lane)}`), { share }), done, "lanes");
  if (answer) { touched.delete(lane); drawLanes(answer.lanes); }
  return answer;
}

/** Return the shares as they would be, with edited ones and the lane to be added. @returns {[string, number][]} */
function wanted() {
  const found = lanes.filter(({ lane }) => lane !== BEHIND).map(({ lane, share }) => /** @type {[string, number]} */ ([lane, touched.has(lane) ? Number(rows.get(lane)?.share.elements.share.value) : share]));
  const name = $("lane-name")?.value.trim();
  if (name && Number($("lane-share").value) > 0 && !lanes.some(({ lane }) => lane === name)) found.push([name, Number($("lane-share").value)]);
  return found;
}

/** Return the parts of the calls that these shares would give. @returns {string} */
function comesTo() {
  const all = wanted(), sum = all.reduce((total, [, share]) => total + share, 0);
  if (all.length < 2) return lanes.length > 1 ? "All calls are for the lane main while anyone waits there." : "There is one lane, and all calls are for it.";
  if (!(sum > 0) || all.some(([, share]) => !(share > 0))) return "";
  const parts = all.map(([lane, share]) => `${ofHundred(share / sum)} for ${lane}`);
  return `While people wait in all lanes, of 100 calls: ${parts.join(", ")}. Calls that a lane cannot use go to the others.`;
}

/** Show what the shares come to, and whether they are set yet. */
function foresee() {
  const changes = wanted().length > lanes.filter(({ lane }) => lane !== BEHIND).length || lanes.some(({ lane, share }) => touched.has(lane) && Number(rows.get(lane)?.share.elements.share.value) !== share);
  const word = comesTo();
  say("lane-forecast", changes && word ? `Once set: ${word[0].toLowerCase()}${word.slice(1)}` : word);
}

export function wireLanes() {
  if (!$("lane-form")) return;
  for (const id of ["lane-name", "lane-share"]) $(id).addEventListener("input", foresee);
  $("lane-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = $("lane-name").value.trim();
    if (lanes.some(({ lane }) => lane === name)) return refuse("lanes", "lane-name", `There is a lane ${name} already; set its share in its own row.`);
    if (!await sure(`Add the lane ${name}?`, `A lane cannot be removed, and the public log shows it with its share. ${comesTo()} A room has ${plural(16, "lane")} at most.`, "Add it")) return;
    if (!await put(name, Number($("lane-share").value), `The lane ${name} was added. Invitations can lead to it.`)) return;
    $("lane-form").reset();
    foresee();
  });
}
