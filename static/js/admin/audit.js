import { $ } from "./api.js";
import { clockOf, dayOf, inZoneHere, mayRead, readMoment, setMoment, watchMoment } from "../moment.js";

const ENDS = ["from", "to"];

/** Return a heading and a list for a day. @param {string} day @returns {[HTMLElement, HTMLElement]} */
const partOf = (day) => [
  Object.assign(document.createElement("h2"), { textContent: day }),
  Object.assign(document.createElement("ol"), { className: "acts" }),
];

/** Write the record in the zone of this browser: where a day begins depends on it too. */
function drawRecord() {
  const parts = [];
  let day = "";
  for (const act of document.querySelectorAll("#record li")) {
    const time = act.querySelector("time"), its = dayOf(time.dateTime);
    if (its !== day) parts.push(...partOf(day = its));
    time.textContent = clockOf(time.dateTime, true);
    for (const said of act.querySelectorAll("[data-said]")) said.textContent = inZoneHere(said.textContent);
    parts[parts.length - 1].append(act);
  }
  if (parts.length) $("record").replaceChildren(...parts);
}

/** Show what the filter wants, with its ends as moments. */
function wire() {
  for (const name of ENDS) {
    watchMoment($(name));
    setMoment($(name), $(name).dataset.moment);
  }
  $("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!mayRead(...ENDS.map($))) return;
    const query = new URLSearchParams();
    for (const name of ["who", "about", "network"]) if ($(name)?.value) query.set(name, $(name).value);
    for (const name of ENDS) if (readMoment($(name))) query.set(name, readMoment($(name)));
    location.assign(`?${query}`);
  });
}

drawRecord();
wire();
