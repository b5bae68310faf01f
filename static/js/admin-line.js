import { NoAnswer } from "./api.js";
import { $, admin, inRoom, room } from "./admin-api.js";
import { forgetBatches, refreshBatches, wireBatches } from "./admin-line-batches.js";
import { forgetLinks, wireInvite } from "./admin-line-invite.js";
import { drawLanes, forgetLanes, wireLanes } from "./admin-line-lanes.js";
import { forgetDrawn, say } from "./admin-line-parts.js";
import { forgetPlace, wirePlace } from "./admin-line-place.js";
import { drawPlan, wirePlan } from "./admin-line-plan.js";
import { drawProfiles, forgetProfiles, wireProfiles } from "./admin-line-profiles.js";

const LOOK_MS = 3000;

async function look() {
  if (!room()) return;
  const asked = room();
  const [now, lanes, profiles] = await Promise.all(["", "/lanes", "/profiles"].map((path) => admin("GET", inRoom(path))));
  if (now.status === 401) return location.assign("/admin/login");
  if (asked !== room()) return;
  if (now.ok) drawPlan(now.data);
  if (lanes.ok) drawLanes(lanes.data.lanes);
  if (profiles.ok) drawProfiles(profiles.data.profiles);
  await refreshBatches();
}

async function repeat() {
  try { if (!document.hidden) await look(); } catch (error) {
    if (!(error instanceof NoAnswer)) console.error(error);
  }
  setTimeout(repeat, LOOK_MS);
}

/** The rooms' screen opens with the room that is chosen here. @returns {URLSearchParams} */
function lead() {
  const query = new URLSearchParams({ room: room() });
  $("rooms-nav").href = `/admin?${query}`;
  return query;
}

/** Clear the screen for another room: its contents and drafts belong to the old one. */
function change() {
  for (const forget of [forgetDrawn, forgetLanes, forgetProfiles, forgetBatches, forgetLinks, forgetPlace]) forget();
  $("admin-problem").textContent = $("admin-done").textContent = "";
  history.replaceState(null, "", `${location.pathname}?${lead()}`);
  look().catch(() => {});
}

lead();
wirePlan();
wireLanes();
wireProfiles();
wireBatches();
wireInvite();
wirePlace();
$("room-choice")?.addEventListener("change", change);
// The message about the last change makes way for the next; a problem stays until then.
document.addEventListener("input", () => say("admin-done", ""));
document.addEventListener("visibilitychange", () => document.hidden || look().catch(() => {}));
repeat();
