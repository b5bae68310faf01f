import { $, admin, inRoom, tell } from "./api.js";
import { count } from "../format.js";

const LOOK_MS = 1500;

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
  const shown = Object.entries((running ? progress : result ?? progress) ?? {}).filter(([, value]) => typeof value === "number" || typeof value === "string");
  $("crowd-figures").replaceChildren(...shown.map(([name, value]) => {
    const box = document.createElement("div");
    box.append(Object.assign(document.createElement("dt"), { textContent: name.replaceAll("_", " ") }));
    box.append(Object.assign(document.createElement("dd"), { textContent: typeof value === "number" ? count(Math.round(value * 100) / 100) : value }));
    return box;
  }));
}
