import { $, admin, inRoom, room, tell } from "./api.js";
import { whileBarred } from "../busy.js";

const CALLING = ["open", "sold_out", "drawing"], WAITING = ["scheduled", "before_opening"];

/** Offer what can be done with a room in this state. @param {string} status */
export function drawPhase(status) {
  const possible = { pause: CALLING.includes(status), resume: status === "paused", open: WAITING.includes(status), close: status !== "ended", archive: status === "ended" };
  for (const [action, is] of Object.entries(possible)) if ($(action)) $(action).hidden = !is;
}

/** @param {(room: any) => void} draw shows the room as the server has it */
export function wirePhase(draw) {
  wireClick("pause", "The line is paused. No one is called; shoppers inside can finish.", draw);
  wireClick("resume", "The line is moving again.", draw);
  wireClick("open", "The room is open.", draw);
  wireTyped("close", "The sale has ended.", draw);
  wireTyped("reset", "The room was reset. Open it when you are ready.", draw);
  wireTyped("archive", "The room is sealed, and becomes an archive within minutes.", () => {});
}

/** @param {string} action @param {string} done @param {(room: any) => void} draw */
function wireClick(action, done, draw) {
  $(action).addEventListener("click", async () => {
    const now = await whileBarred($(action), () => tell(() => admin("POST", inRoom(`/${action}`), { reason: "from the operators' screen" }), done, "phase"));
    if (!now) return;
    draw(now);
    $({ pause: "resume", resume: "pause", open: "pause" }[action]).focus();
  });
}

/** Say whether a text names this room, by its name or its code. @param {string} text */
const names = (text) => [room(), $("admin").dataset.name].some((name) => name.trim().toLowerCase() === text.trim().toLowerCase());

/**
 * Ask for the room's name and a reason before an act that cannot be taken back.
 * @param {string} action @param {string} done @param {(room: any) => void} draw
 */
function wireTyped(action, done, draw) {
  if (!$(`${action}-dialog`)) return;
  const part = (name) => $(`${action}-${name}`);
  const check = () => {
    part("confirm").setCustomValidity(!part("confirm").value || names(part("confirm").value) ? "" : `That is neither ${$("admin").dataset.name} nor ${room()}.`);
    part("reason").setCustomValidity(part("reason").value && !part("reason").value.trim() ? "Say the reason." : "");
  };
  for (const name of ["confirm", "reason"]) part(name).addEventListener("input", check);
  $(action).addEventListener("click", () => {
    part("confirm").value = part("reason").value = "";
    check();
    part("dialog").returnValue = "";
    part("dialog").showModal();
  });
  part("dialog").addEventListener("close", async () => {
    if (part("dialog").returnValue !== action) return;
    const body = { reason: part("reason").value.trim(), confirm: room() };
    const now = await tell(() => admin("POST", inRoom(`/${action}`), body), done, "phase");
    if (!now) return;
    draw(now);
    // The dialog gave the focus back to its button, which is gone.
    (document.querySelector(".phase button:not([hidden])") ?? $("main")).focus();
  });
}
