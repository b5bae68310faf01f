import { admin, inRoom, signIn } from "./api.js";
import { drawState, keepLooking } from "./frame.js";
import { refreshBatches, wireBatches } from "./line-batches.js";
import { drawGate, wireGate } from "./line-gate.js";
import { wireInvite } from "./line-invite.js";
import { drawKnownUser, wireKnownUser } from "./line-known-user.js";
import { drawLanes, wireLanes } from "./line-lanes.js";
import { wirePlace } from "./line-place.js";
import { drawPlan, wirePlan } from "./line-plan.js";
import { drawProfiles, wireProfiles } from "./line-profiles.js";

const LOOK_MS = 3000;

async function look() {
  const [now, lanes, profiles, gate, knownUser] = await Promise.all(["", "/lanes", "/profiles", "/gate", "/gate/known-user"].map((path) => admin("GET", inRoom(path))));
  if (now.status === 401) return signIn();
  if (now.ok) { drawState(now.data.status); drawPlan(now.data); }
  if (lanes.ok) drawLanes(lanes.data.lanes);
  if (profiles.ok) drawProfiles(profiles.data.profiles);
  if (gate.ok) drawGate(gate.data.gate);
  if (knownUser.ok) drawKnownUser(knownUser.data.known_user);
  await refreshBatches();
}

wirePlan();
wireLanes();
wireProfiles();
wireGate();
wireKnownUser();
wireBatches();
wireInvite();
wirePlace();
document.addEventListener("visibilitychange", () => document.hidden || look().catch(() => {}));
keepLooking(look, LOOK_MS);
