import { $, admin, inRoom, refuse, tableRow, tell } from "./api.js";
import { button, fill, isNew, say, stackedRow } from "./line-parts.js";
import { roomNow } from "./line-plan.js";
import { count, spell } from "../format.js";

const MAY_CHANGE = $("admin").dataset.role !== "viewer";
const FIELDS = ["profile-code", "profile-name", "profile-factor", "profile-places"];
/** @type {any[]} */
let known = [];

/** @param {any[]} profiles */
export function drawProfiles(profiles) {
  known = profiles;
  if (!isNew("profiles", profiles)) return;
  fill("profile-rows", profiles.map((profile) => {
    const { profile: code, name, time_factor: factor, places_max: most, taken } = profile;
    const cells = [name, `${count(factor)} times`, most == null ? count(taken) : `${count(taken)} of ${count(most)}`];
    const change = () => { edit(profile); $("profile-name").focus(); };
    return stackedRow($("profile-rows"), MAY_CHANGE ? [...cells, button("Change", `profile ${code}`, change, `Change ${name}`)] : cells);
  }));
  if (!profiles.length) fill("profile-rows", [tableRow(["There is none: shoppers cannot ask for more time."])]);
}

/** Put a profile into the form, or empty it. @param {any} profile null for a new one */
function edit(profile) {
  $("profile-form").reset();
  $("profile-code").readOnly = profile != null;
  $("profile-title").textContent = profile ? `Change “${profile.name}”` : "Add another";
  $("profile-new").hidden = !profile;
  if (profile) {
    const values = [profile.profile, profile.name, String(profile.time_factor), profile.places_max ?? ""];
    FIELDS.forEach((id, i) => { $(id).value = values[i]; });
    $("profile-box").open = true;
  }
  foresee();
}

/** Say beforehand how long a call and a session will last. */
function foresee() {
  const factor = Number($("profile-factor").value), settings = roomNow()?.settings;
  if (!settings || !(factor >= 1 && factor <= 5)) return say("profile-forecast", "");
  const longer = (seconds) => `${spell(seconds * factor)} instead of ${spell(seconds)}`;
  say("profile-forecast", `A shopper with it has ${longer(settings.claim_window_s)} to enter when called, and ${longer(settings.session_s)} inside. This applies to later calls.`);
}

export function wireProfiles() {
  if (!MAY_CHANGE) return;
  $("profile-factor").addEventListener("input", foresee);
  $("profile-new").addEventListener("click", () => { edit(null); $("profile-code").focus(); });
  $("profile-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [code, name, factor, places] = FIELDS.map((id) => $(id).value.trim());
    if (!$("profile-code").readOnly && known.some(({ profile }) => profile === code)) {
      return refuse("profile", "profile-code", `There is a profile ${code} already; change it in its own row.`);
    }
    const body = { name, time_factor: Number(factor), places_max: places === "" ? null : Number(places) };
    const answer = await tell(() => admin("PUT", inRoom(`/profiles/${encodeURIComponent(code)}`), body), `“${name}” is set: ${count(Number(factor))} times the time.`, "profile");
    if (!answer) return;
    drawProfiles(answer.profiles);
    edit(null);
  });
}
