import { addressOf } from "../api.js";
import { mayRead, readMoment, watchMoment } from "../moment.js";
import { $, admin, refuse, tell } from "./api.js";

const KINDS = {
  sale: { rules: {}, says: "Numbers go by order of arrival; as many are called as the stock can serve." },
  draw: { rules: { order_by: "draw" }, says: "All who come before the opening are put in an order that anyone can recompute." },
  gate: { rules: { policy: "rate" }, says: "Shoppers are let through to your own site, as fast as you set it." },
};
const MOMENTS = ["opens_at", "closes_at"];
const CODE_MAX = 63;
let coded = false;

/** Return a code for a name: "Été à Paris" is ete-a-paris. @param {string} name */
const codeOf = (name) => name.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, CODE_MAX);

function draw() {
  if (!coded) $("room").value = codeOf($("name").value);
  $("room-shown").textContent = $("room").value || "…";
  $("kind-says").textContent = KINDS[$("kind").value].says;
  $("afresh").hidden = Boolean($("copy_of")?.value);
  if (!$("copied")) return;
  $("copied").hidden = !$("copy_of").value;
  $("units-box").hidden = !$("with_goods").checked;
}

/** Say at the first field that cannot be read what is wrong with it. */
function readable() {
  const wrong = [...$("new-form").elements].find((field) => field.name && !field.closest("[hidden]") && !field.validity.valid);
  if (!wrong) return mayRead(...MOMENTS.map($));
  if (MOMENTS.includes(wrong.name)) wrong.focus();
  else refuse("new", wrong.name, wrong.name === "room" && wrong.value ? "Use small letters, digits and hyphens." : wrong.validationMessage);
  return false;
}

/** @returns {{with_look: boolean, with_goods: boolean, units?: number}} what a copy has beside the rules */
const copied = () => ({ with_look: $("with_look").checked, with_goods: $("with_goods").checked, ...($("with_goods").checked ? { units: Number($("units").value) } : {}) });

async function make() {
  if (!readable()) return;
  const like = $("copy_of")?.value, hours = {};
  for (const name of MOMENTS) if (readMoment($(name))) hours[name] = readMoment($(name));
  const body = { room: $("room").value.trim(), name: $("name").value.trim() };
  const afresh = { currency: $("currency").value.trim().toUpperCase(), rules: { ...KINDS[$("kind").value].rules, ...hours } };
  const made = await tell(() => admin("POST", "/rooms", { ...body, ...(like ? { copy_of: like, rules: hours, ...copied() } : afresh) }), "The room was made.", "new");
  if (made) location.assign(addressOf(`/admin/screens/${encodeURIComponent(made.room)}/rules`));
}

const like = new URLSearchParams(location.search).get("copy_of");
if (like && $("copy_of")) $("copy_of").value = like;
for (const name of MOMENTS) watchMoment($(name));
$("room").addEventListener("input", () => { coded = $("room").value !== ""; });
$("new-form").addEventListener("input", draw);
$("new-form").addEventListener("submit", (event) => { event.preventDefault(); make(); });
draw();
