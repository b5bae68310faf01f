import { $, admin, inRoom, tell } from "./api.js";
import { count } from "../format.js";

const LOOK_MS = 1500;
/** The figures of a crowd, in words. @type {Record<string, string>} */
const WORDS = {
  seconds: "Seconds so far", shoppers: "Shoppers", coming: "On their way", waiting: "Waiting", called: "Called", inside: "Inside",
  bought: "Bought", sold_out: "Came too late", found_nothing: "Found nothing", left: "Went home", units_bought: "Units bought",
  joined: "Joined", unfinished: "Sent home", wait_p50_s: "Median wait, seconds", wait_p95_s: "Nineteen in twenty called within, seconds", calls_missed: "Calls missed",
  requests: "Requests", polls: "Polls", polls_per_s: "Polls a second", requests_per_s: "Requests a second", duration_s: "Seconds in all", errors: "Errors",
};

/** Start, watch and stop the simulated crowd; only in a demonstration. */
export function wireCrowd() {
  $("crowd-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { shoppers: Number($("crowd-shoppers").value), arrive_s: Number($("crowd-arrive").value) };
    if (await tell(() => admin("POST", inRoom("/crowd"), body), "The crowd is on its way.", "crowd")) draw({ running: true });
  });
  $("crowd-stop").addEventListener("click", () => tell(() => admin("DELETE", inRoom("/crowd")), "The crowd was stopped.", "crowd"));
  look();
}

async function look() {
  if (!document.hidden) {
    const answer = await admin("GET", inRoom("/crowd")).catch(() => null);
    if (answer?.ok) draw(answer.data);
  }
  setTimeout(look, LOOK_MS);
}

/** @param {{running: boolean, progress?: any, result?: any}} crowd */
function draw({ running, progress, result }) {
  $("crowd-stop").hidden = !running;
  $("crowd-start").disabled = running || $("admin").dataset.role === "viewer";
  $("crowd-start").textContent = running ? "The crowd is here" : "Start the crowd";
  const shown = Object.entries((running ? progress : result ?? progress) ?? {}).filter(([name, value]) => name in WORDS && typeof value === "number");
  $("crowd-figures").replaceChildren(...shown.map(([name, value]) => {
    const box = document.createElement("div");
    box.append(Object.assign(document.createElement("dt"), { textContent: WORDS[name] }));
    box.append(Object.assign(document.createElement("dd"), { textContent: count(Math.round(value * 10) / 10) }));
    return box;
  }));
}
