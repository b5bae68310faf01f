import { addressOf, NoAnswer } from "../api.js";
import { $, admin, inRoom, signIn, tell, told } from "./api.js";

const FIELDS = ["brand", "logo", "picture", "paper_light", "accent_light", "paper_dark", "accent_dark"];
const COLOURS = FIELDS.slice(3);

/** The texts of every language, by tag; the form shows those of one. @type {Record<string, Record<string, string>>} */
let texts = {};
/** The draft as this page last saw it on the server. @type {any} */
let seen;

/** @returns {any[]} */
const textFields = () => [...document.querySelectorAll("[data-text]")];

/** Take the texts of the form's language over. */
function keepTexts() {
  const written = Object.fromEntries(textFields().map((field) => [field.dataset.text, field.value.trim()]).filter(([, text]) => text));
  if (Object.keys(written).length) texts[$("texts-language").value] = written;
  else delete texts[$("texts-language").value];
}

function drawTexts() {
  for (const field of textFields()) field.value = texts[$("texts-language").value]?.[field.dataset.text] ?? "";
}

/** Show the colour of a field in its picker. @param {string} name */
function drawSwatch(name) {
  const field = $(name), picker = /** @type {any} */ (document.querySelector(`[type=color][data-of=${name}]`));
  picker.value = /^#[0-9a-f]{6}$/.test(field.value) ? field.value : field.placeholder;
}

/** @param {any} looks as the server has them */
function draw({ draft, live }) {
  seen = draft;
  for (const name of FIELDS) $(name).value = draft[name] ?? "";
  COLOURS.forEach(drawSwatch);
  texts = structuredClone(draft.texts ?? {});
  drawTexts();
  const same = JSON.stringify(draft) === JSON.stringify(live);
  $("look-state").textContent = same ? "Shoppers see this look." : "Shoppers do not see this draft yet.";
  if ($("look-publish")) $("look-publish").disabled = same;
  preview();
}

/** Load the preview with the chosen state, language and width. */
function preview() {
  const query = new URLSearchParams({ state: $("preview-state").value, language: $("preview-language").value, scheme: $("preview-scheme").value });
  const address = addressOf(`/admin${inRoom("/preview")}?${query}`);
  $("preview").width = $("preview-width").value;
  $("preview").src = address;
  $("preview-link").href = address;
}

/** @returns {any} the draft as the form has it */
function written() {
  keepTexts();
  return { ...Object.fromEntries(FIELDS.map((name) => [name, $(name).value.trim()])), texts };
}

/** Offer the nearest colour that passes, below the words of the refusal. @param {string} field @param {string} nearest */
function offer(field, nearest) {
  const words = $(`${field}-problem`);
  if (!words || !nearest) return;
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Use ${nearest}` });
  button.addEventListener("click", () => {
    $(field).value = nearest;
    $(field).dispatchEvent(new Event("input"));
    $(field).focus();
  });
  words.append(" ", button);
}

async function save() {
  /** @type {any} */
  let refused = null;
  const looks = await tell(async () => {
    const answer = await admin("PUT", inRoom("/look"), { ...written(), was: seen });
    if (!answer.ok) refused = answer.data;
    return answer;
  }, "The draft is saved; the preview shows it.", "look");
  if (looks) draw(looks);
  // The colleague's draft is now known here: a second press puts this one in its place.
  else if (refused?.code === "changed_meanwhile") seen = (await admin("GET", inRoom("/look"))).data?.draft ?? seen;
  else if (refused?.nearest) offer(refused.field, refused.nearest);
  return looks;
}

/** Upload a picture and put its address into the field. @param {any} input */
async function upload(input) {
  const [file] = input.files, name = input.dataset.of;
  if (!file) return;
  const kept = await tell(async () => {
    const reply = await fetch(addressOf(`/admin${inRoom("/pictures")}`), { method: "POST", body: file, headers: { Accept: "application/json", "Content-Type": file.type || "application/octet-stream" } })
      .catch(() => { throw new NoAnswer("The network did not answer."); });
    return { ok: reply.ok, status: reply.status, data: await reply.json().catch(() => null) };
  }, "The picture is there; save the draft to use it.", name);
  if (kept) $(name).value = kept.picture;
  input.value = "";
}

async function begin() {
  const { ok, status, data } = await admin("GET", inRoom("/look"));
  if (status === 401) return signIn();
  if (ok) draw(data);
  else told("look", { problem: data?.detail ?? "The look could not be read." });
}

for (const id of ["preview-state", "preview-language", "preview-width", "preview-scheme"]) $(id).addEventListener("change", preview);
for (const name of COLOURS) $(name).addEventListener("input", () => drawSwatch(name));
for (const picker of /** @type {NodeListOf<any>} */ (document.querySelectorAll("[type=color]"))) {
  picker.addEventListener("input", () => { $(picker.dataset.of).value = picker.value; $(picker.dataset.of).dispatchEvent(new Event("input")); });
}
for (const input of document.querySelectorAll("[type=file]")) input.addEventListener("change", () => upload(input));
let language = $("texts-language").value;
$("texts-language").addEventListener("change", () => {
  const chosen = $("texts-language").value;
  $("texts-language").value = language;
  keepTexts();
  $("texts-language").value = language = chosen;
  drawTexts();
});
$("look-form").addEventListener("submit", (event) => { event.preventDefault(); save(); });
$("look-publish").addEventListener("click", async () => {
  if (!await save()) return;
  const looks = await tell(() => admin("POST", inRoom("/look/publish")), `Shoppers of ${$("admin").dataset.name} see this look now.`, "look");
  if (looks) draw(looks);
});
begin().catch((error) => told("look", { problem: error.message }));
