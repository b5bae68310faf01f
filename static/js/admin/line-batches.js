import { $, admin, inRoom, sure, tell, told } from "./api.js";
import { button, fill, isNew, stackedRow } from "./line-parts.js";
import { count, plural } from "../format.js";
import { momentOf } from "../moment.js";

const MAY_CHANGE = $("admin").dataset.role !== "viewer";
const PAGE = 20;
/** Batches older than the newest page, as far as the operator has opened them. @type {any[]} */
let older = [];
/** Where the next page of them begins. @type {number | null | undefined} */
let next;

/** @param {any} batch */
function stateOf({ until, revoked_at: revoked, used, count: made }) {
  if (revoked) return `Taken back ${momentOf(revoked)}`;
  if (used >= made) return "All used";
  if (!until) return "Good";
  return `${new Date(until) <= new Date() ? "Ran out" : "Good until"} ${momentOf(until)}`;
}

/** @param {any} batch */
function row(batch) {
  const { batch: number, lane, count: made, used, note, who, created_at: at } = batch;
  const state = stateOf(batch);
  const change = state.startsWith("Good") ? button("Take back", `batch ${number}`, () => takeBack(batch), `Take back batch ${number}`) : "–";
  return stackedRow($("batch-rows"), [String(number), `${count(used)} of ${count(made)}`, state, ...(MAY_CHANGE ? [change] : []), lane, note || "–", `${momentOf(at)}, ${who}`]);
}

/** Read the newest batches again; older ones stay as they were. */
export async function refreshBatches() {
  const { ok, data } = await admin("GET", inRoom(`/invitations?limit=${PAGE}`));
  if (!ok) return;
  if (next === undefined) next = data.next;
  draw(data.invitations);
}

/** @param {any[]} newest */
function draw(newest) {
  const last = newest[newest.length - 1]?.batch ?? Infinity;
  const all = [...newest, ...older.filter(({ batch }) => batch < last)];
  $("batches-more").hidden = next == null;
  // A batch that has run out since is shown so, though its data is the same.
  if (!isNew("batches", all.map((batch) => [batch, stateOf(batch)]))) return;
  $("batches-none").hidden = all.length > 0;
  $("batches-box").hidden = !all.length;
  fill("batch-rows", all.map(row));
}

/** @param {any} batch */
async function takeBack({ batch: number, lane, used, count: made, note }) {
  const rest = made - used;
  const text = `Of ${plural(made, "link")} to ${lane}${note ? ` (${note})` : ""}, ${count(rest)} ${rest === 1 ? "was" : "were"} not used; within a few seconds ${rest === 1 ? "it stops" : "they stop"} working. People who used a link keep their place. This cannot be undone, but you can make new links.`;
  if (!await sure(`Take back what is left of batch ${number}?`, text, "Take them back")) return;
  const answer = await tell(() => admin("DELETE", inRoom(`/invitations/${number}`)), `Batch ${number} was taken back.`, "batches");
  if (!answer) return;
  told("batches", { done: `${plural(answer.revoked, "link")} of batch ${number} stopped working.` });
  older = older.map((batch) => (batch.batch === number ? { ...batch, revoked_at: new Date().toISOString() } : batch));
  await refreshBatches().catch(() => {});
  // The button is gone, and the focus with it.
  $("invitations-title").focus();
}

export function wireBatches() {
  $("batches-more").addEventListener("click", async () => {
      const { ok, data } = await admin("GET", inRoom(`/invitations?limit=${PAGE}&cursor=${next}`));
    if (!ok) return;
    older = [...older, ...data.invitations];
    next = data.next;
    await refreshBatches();
  });
}
