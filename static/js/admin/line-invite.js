import { addressOf, NoAnswer } from "../api.js";
import { whileBarred } from "../busy.js";
import { $, inRoom, tell } from "./api.js";
import { refreshBatches } from "./line-batches.js";
import { say } from "./line-parts.js";
import { roomNow } from "./line-plan.js";
import { count, plural } from "../format.js";
import { mayRead, momentOf, readMoment, setMoment, watchMoment } from "../moment.js";

/** A hundred thousand links are signed and sent within this time. */
const ANSWER_MS = 150_000;
const NAMES = /filename="([^"]+)"/;

/** The file that was made last, to be saved again: the server never shows its links again. @type {string} */
let kept = "";

/** @returns {"count" | "paste" | "file"} */
const how = () => /** @type {any} */ ($("invite-form").elements.how.value);

/** Return the lines that were pasted; the first names the columns. */
const pasted = () => $("invite-list").value.split(/\r?\n/).filter((line) => line.trim());

/** Return the number of links to come, as far as it is known. @returns {string} */
function howMany() {
  const number = Number($("invite-count").value), people = pasted().length - 1, [file] = $("invite-file").files;
  return {
    count: number >= 1 ? `${plural(number, "link")}, worth one place each` : "",
    paste: people > 0 ? `A link for each of about ${plural(people, "person", "people")}` : "",
    file: file ? `A link for each person in ${file.name}` : "",
  }[how()];
}

/** Say beforehand which links will be made. */
function foresee() {
  const what = howMany(), columns = how() === "paste" ? ` The columns of the list: ${pasted()[0]?.trim()}.` : "";
  const end = readMoment($("invite-until")), until = end ? `good until ${momentOf(end)}` : "with no end date";
  const open = roomNow()?.settings.join_by === "open" ? " The room is open to everyone: people without a link get a place in main." : "";
  say("invite-forecast", end === null ? "" : what && `${what}, to the lane ${$("invite-lane").value}, ${until}.${columns} The public log has the lane and the count, and nothing about people.${open}`);
}

/** Show the fields that this way of making links needs. */
function choose() {
  for (const way of ["count", "paste", "file"]) $(`invite-by-${way}`).hidden = how() !== way;
  $("invite-count").required = how() === "count";
  $("invite-list").required = how() === "paste";
  $("invite-file").required = how() === "file";
  foresee();
}

/** @returns {[string, string, any]} path, type and body of the request */
function wish() {
  const lane = $("invite-lane").value, note = $("invite-note").value.trim(), until = readMoment($("invite-until")) || null;
  if (how() === "count") return [inRoom("/invitations"), "application/json", JSON.stringify({ count: Number($("invite-count").value), lane, note, until })];
  const query = new URLSearchParams({ lane, note, ...(until ? { until } : {}) });
  return [inRoom(`/invitations?${query}`), "text/csv", how() === "file" ? $("invite-file").files[0] : $("invite-list").value];
}

/** Ask for links; the answer is a file, and a refusal is JSON. @returns {Promise<{ok: boolean, status: number, data: any}>} */
async function make() {
  const [path, type, body] = wish();
  let reply, file;
  try {
    reply = await fetch(addressOf(`/admin${path}`), { method: "POST", headers: { "Content-Type": type, Accept: "text/csv" }, body, signal: AbortSignal.timeout(ANSWER_MS) });
    file = await reply.blob();
  } catch { throw new NoAnswer("The network did not answer. If the list below has a new batch, take it back and make another: its links are lost."); }
  if (reply.ok) return { ok: true, status: reply.status, data: { file, name: NAMES.exec(reply.headers.get("Content-Disposition") ?? "")?.[1] ?? "invitations.csv" } };
  let data = null;
  try { data = JSON.parse(await file.text()); } catch { /* a proxy's page */ }
  if (reply.status === 429 || reply.status >= 500) throw new NoAnswer(data?.detail ?? "The server is busy.");
  return { ok: false, status: reply.status, data };
}

/** @param {Blob} file @param {string} name */
function save(file, name) {
  if (kept) URL.revokeObjectURL(kept);
  kept = URL.createObjectURL(file);
  Object.assign($("links-again"), { href: kept, download: name });
  $("links-word").textContent = `${name}, ${count(Math.ceil(file.size / 1024))} KiB: keep it safe. Its links are shown only once, and each of them is worth a place.`;
  $("links").hidden = false;
  $("links-again").click();
  $("links").focus();
}

export function wireInvite() {
  const form = $("invite-form");
  if (!form) return;
  watchMoment($("invite-until"));
  for (const kind of ["input", "change"]) form.addEventListener(kind, (event) => { if (event.target.name === "how") choose(); else foresee(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!mayRead($("invite-until"))) return;
    $("invite-go").textContent = "Making them…";
    const made = await whileBarred($("invite-go"), () => tell(make, "The links were made and saved as a file.", "invite"))
      .finally(() => { $("invite-go").textContent = "Make the links"; });
    refreshBatches().catch(() => {});
    if (!made) return void $("invite-go").focus();
    form.reset();
    setMoment($("invite-until"), null);
    choose();
    save(made.file, made.name);
  });
  choose();
}
