import { $ } from "./api.js";

const WORDS = { scheduled: "Scheduled", before_opening: "Before opening", drawing: "Drawing", open: "Open", paused: "Paused", sold_out: "Sold out", ended: "Ended" };

/** Show the room's state in the frame. @param {string} status */
export function drawState(status) {
  const word = WORDS[status] ?? status;
  if ($("state-word").textContent !== word) $("state-word").textContent = word;
  $("state-word").dataset.state = status;
}

// Another room is the same screen at another address.
$("room-choice")?.addEventListener("change", () => {
  location.assign(`/admin/screens/${encodeURIComponent($("room-choice").value)}/${$("admin").dataset.screen}`);
});
