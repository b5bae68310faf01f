import { addressOf, NoAnswer } from "../api.js";
import { stopwatch } from "../clock.js";
import { spell } from "../format.js";
import { momentOf, zoneHere } from "../moment.js";
import { $ } from "./api.js";

const WORDS = { scheduled: "Scheduled", before_opening: "Before opening", drawing: "Drawing", open: "Open", paused: "Paused", sold_out: "Sold out", ended: "Ended" };

/** Show the room's state in the frame. @param {string} status */
export function drawState(status) {
  const word = WORDS[status] ?? status;
  if ($("state-word").textContent !== word) $("state-word").textContent = word;
  $("state-word").dataset.state = status;
}

/** Show the room's name in the frame, after a change of it. @param {string} name */
export function drawName(name) {
  if ($("admin").dataset.name === name) return;
  document.title = document.title.replace($("admin").dataset.name, name);
  $("admin").dataset.name = $("room-name").textContent = name;
  const choice = $("room-choice")?.selectedOptions[0];
  if (choice) choice.textContent = name;
}

/** Seconds without an answer after which a screen says so. */
const SILENT_S = 10;

/**
 * Repeat a look-up while the page is open and seen. While nothing answers, say how old the screen is.
 * @param {() => Promise<void>} look @param {number} every in milliseconds
 */
export function keepLooking(look, every) {
  let since = stopwatch();
  const again = async () => {
    try {
      if (!document.hidden) await look();
      since = stopwatch();
    } catch (error) {
      if (!(error instanceof NoAnswer)) console.error(error);
    }
    const word = since() < SILENT_S ? "" : `The server has not answered for ${spell(Math.floor(since() / 10) * 10)}. What stands here is that old.`;
    if ($("no-answer").textContent !== word) $("no-answer").textContent = word;
    setTimeout(again, every);
  };
  again();
}

// Without a script all moments are in UTC, and say so.
for (const time of document.querySelectorAll("#admin time[datetime]")) time.textContent = momentOf(/** @type {HTMLTimeElement} */ (time).dateTime);
for (const box of document.querySelectorAll("[data-zone]")) box.textContent = `Times here are in your own time zone: ${zoneHere()}.`;

// Another room is the same screen at another address.
$("room-choice")?.addEventListener("change", () => {
  location.assign(addressOf(`/admin/screens/${encodeURIComponent($("room-choice").value)}/${$("admin").dataset.screen}`));
});
