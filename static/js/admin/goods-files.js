import { NoAnswer } from "../api.js";
import { whileBarred } from "../busy.js";
import { $, inRoom, refuse, sentence, signIn, told } from "./api.js";
import { field, textOf } from "./goods-fields.js";
import { upload, uploadAndSave } from "./goods-upload.js";
import { fateWords } from "./goods-words.js";
import { count, plural } from "../format.js";

const SHOWN_MAX = 200;
const GROUPS = [["refused", "Refused"], ["added", "New"], ["changed", "Changed"], ["unchanged", "Unchanged"]];

/** What the server found in the file that was checked. @type {any} */
let report = null;

/** @param {Record<string, string>} others @returns {URLSearchParams} */
function queryOf(others) {
  const query = new URLSearchParams(others), form = $("import-form");
  for (const name of ["delivery", "reason"]) if (textOf(form, name)) query.set(name, textOf(form, name));
  return query;
}

/** Send the file, to be checked or imported. @param {boolean} dry @param {string} at @returns {Promise<any>} null when it was refused */
async function send(dry, at) {
  const form = $("import-form"), query = queryOf({ dry_run: dry ? "1" : "0", rows: String(SHOWN_MAX) });
  told(at);
  try {
    const { ok, status, data } = await upload(`/admin${inRoom(`/catalogue?${query}`)}`, field(form, "file").files[0], "text/csv");
    if (status === 401) return void signIn();
    if (ok || data?.fates) return { ...data, ok };
    if (dry) refuse(at, "file", sentence(status, data));
    else told(at, { problem: sentence(status, data) });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    told(at, { problem: dry ? error.message : `${error.message} The file may or may not have been imported: check it again, and see.` });
  }
  return null;
}

/** @param {any} found */
function sums({ rows, added, changed, unchanged, refused, received, received_before: before }) {
  const parts = [`${count(added)} new`, `${count(changed)} changed`, `${count(unchanged)} unchanged`, `${count(refused)} refused`];
  const units = [received && `${plural(received, "unit")} come in`, before && `${plural(before, "unit")} came in before and are not counted again`].filter(Boolean);
  return `${plural(rows, "line")}: ${parts.join(", ")}.${units.length ? ` ${units.join("; ")}.` : ""}${refused ? " Nothing can be imported until no line is refused." : ""}`;
}

/** Show the lines of one kind. */
function list() {
  const kind = $("import-show").value, shown = report.fates.filter(({ fate }) => fate === kind);
  $("fates").replaceChildren(...shown.map((fate) => {
    const item = document.createElement("li");
    item.append(Object.assign(document.createElement("b"), { textContent: `Line ${count(fate.line)}${fate.sku ? `, ${fate.sku}` : ""}` }), ` ${fateWords(fate)}`);
    return item;
  }));
  $("fates-box").hidden = !shown.length;
  $("fates-more").textContent = report[kind] > shown.length ? `${plural(report[kind] - shown.length, "more line")} like these.` : "";
  $("import-report").hidden = GROUPS.every(([fate]) => report[fate] <= SHOWN_MAX);
}

/** @param {any} found */
function show(found) {
  report = found;
  $("import-result").hidden = false;
  $("import-sums").textContent = sums(found);
  $("import-show").replaceChildren(...GROUPS.map(([fate, word]) => new Option(`${word} (${count(found[fate])})`, fate)));
  $("import-show").value = (GROUPS.find(([fate]) => found[fate]) ?? GROUPS[0])[0];
  const idle = !found.added && !found.changed && !found.received;
  $("import-go").hidden = Boolean(found.refused) || idle;
  $("import-go").textContent = `Import ${plural(found.rows, "line")}`;
  list();
  $("import-title").focus();
}

function forget() {
  report = null;
  $("import-result").hidden = true;
}

/** @param {() => void} imported */
export function wireFiles(imported) {
  const form = $("import-form");
  if (!form) return;
  // What is imported is what was checked.
  form.addEventListener("input", () => { forget(); told("import"); });
  $("import-show").addEventListener("change", list);
  $("import-report").addEventListener("click", async () => {
    $("import-report").disabled = true;
    const query = queryOf({ dry_run: "1", report: "csv" });
    const saved = await uploadAndSave(`/admin${inRoom(`/catalogue?${query}`)}`, field(form, "file").files[0], "text/csv", `${$("admin").dataset.room}-report.csv`);
    $("import-report").disabled = false;
    if (!saved) told("import", { problem: "The report could not be made. Please check the file again." });
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    forget();
    told("import");
    const found = await whileBarred($("check-file"), () => send(true, "check"));
    if (found) show(found);
  });
  $("import-go").addEventListener("click", async () => {
    const done = await whileBarred($("import-go"), () => send(false, "import"));
    if (!done) return;
    // The catalogue may have changed since the file was checked.
    if (!done.ok) return show(done);
    forget();
    form.reset();
    told("import", { done: `Imported. ${sums(done)}` });
    imported();
  });
}
