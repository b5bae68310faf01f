import { $ } from "./api.js";
import { count, spell } from "../format.js";

/** Seconds of silence after which the screen warns that another shop's figures may be old. */
const SILENT_S = 60;

/** @param {any} shown */
export function drawElsewhere({ settings, figures }) {
  $("elsewhere").hidden = !settings.stock_elsewhere;
  const silent = figures.stock_silent_s;
  const word = silent == null ? "The stock lives in another shop, which has sent no figures yet: no one is called until it does."
    : silent > SILENT_S ? `The shop where the stock lives has sent nothing for ${spell(silent)}; its figures may be old.`
      : `The stock lives in another shop: ${count(figures.available)} free, ${count(figures.held)} in baskets there.`;
  $("elsewhere").classList.toggle("problem", silent == null || silent > SILENT_S);
  if ($("elsewhere").textContent !== word) $("elsewhere").textContent = word;
}
