import { $ } from "./api.js";
import { count, spell, timeOfDay } from "../format.js";

const CALM = "All is well: nothing needs you.";
const NOT_OPEN = { scheduled: "The room has not opened.", before_opening: "The doors are open; the sale is not.", paused: "The line is paused: nobody is called.", ended: "The sale has ended." };

/** @param {string} name @param {string} className @param {string} textContent */
const made = (name, className, textContent) => Object.assign(document.createElement(name), { className, textContent });

/** Show what needs an act; what stands already is not said again. @param {any} shown */
export function drawAlerts({ alerts, status }) {
  const text = JSON.stringify([alerts, alerts.length ? "" : status]), box = $("alerts");
  if (box.dataset.shown === text) return;
  box.dataset.shown = text;
  box.dataset.calm = alerts.length ? "" : "1";
  if (!alerts.length) return box.replaceChildren(made("p", "calm", NOT_OPEN[status] ?? CALM));
  box.replaceChildren(...alerts.map(({ code, title, detail, act }) => {
    const one = made("div", "alert", "");
    one.dataset.code = code;
    one.append(made("h3", "", title), made("p", "", detail), made("p", "act", act));
    return one;
  }));
}

/** Say when everything will be sold, or why that cannot be told. @param {any} shown */
export function drawSellOut({ status, figures, sell_out: told }) {
  let text = "";
  if (!figures.on_hand) text = "";
  else if (figures.sold >= figures.on_hand) text = "Everything is sold.";
  else if (told) {
    const from = (Date.parse(told.from) - Date.now()) / 1000, to = (Date.parse(told.to) - Date.now()) / 1000;
    text = to < 60 ? "Everything will be sold within a minute."
      : `Everything will be sold ${from < 60 ? `by ${timeOfDay(told.to)}` : `between ${timeOfDay(told.from)} and ${timeOfDay(told.to)}`}, in ${from < 60 ? "at most" : `${spell(from)} to`} ${spell(to)}, as the shoppers have done so far.`;
  } else if (status === "open" && figures.waiting) text = `When everything will be sold cannot be told yet: too little is known of the shoppers, or the ${count(figures.waiting)} in line do not use up the stock.`;
  if ($("sell-out").textContent !== text) $("sell-out").textContent = text;
}
