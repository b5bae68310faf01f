import { $, admin, fillRows, inRoom, refuse, tell, told } from "./api.js";
import { button } from "./line-parts.js";
import { momentOf } from "../moment.js";

const NONE = "No network is put behind by hand.";
const PUT = "Its further places, from now on, are called once no one else waits.";
const LIFT = "Its further places are given like all others again. Places that it got behind stay there.";

let mayChange = false;
/** The network that is about to be acted on, by its hash or by an address. @type {{network?: string, address?: string} | null} */
let chosen = null;
let puts = true;

/** @param {any} one */
function row({ network, at, who, reason }) {
  const lift = () => button("Lift…", `lift ${network}`, () => askBehind({ network }, false), `Lift network ${network}`);
  return [network, momentOf(at), who, reason, ...(mayChange ? [lift()] : [])];
}

async function list() {
  const found = await tell(() => admin("GET", inRoom("/networks-behind")), "", "behind");
  if (found) fillRows("behind-rows", found.networks.map(row), NONE);
}

/** Ask before a network is put behind, or before that is lifted. @param {{network?: string, address?: string}} named @param {boolean} put */
export function askBehind(named, put) {
  [chosen, puts] = [named, put];
  const name = named.network ?? `of ${named.address}`;
  $("behind-ask").textContent = put ? `Put network ${name} behind?` : `Lift network ${name}?`;
  $("behind-does").textContent = put ? PUT : LIFT;
  $("behind-yes").textContent = put ? "Put it behind" : "Lift it";
  $("behind-reason").value = "";
  $("behind-yes").disabled = true;
  $("behind-dialog").returnValue = "";
  $("behind-dialog").showModal();
}

async function act() {
  if ($("behind-dialog").returnValue !== "yes" || !chosen) return;
  const reason = $("behind-reason").value.trim(), path = inRoom("/networks-behind");
  const change = puts ? () => admin("POST", path, { ...chosen, reason }) : () => admin("DELETE", `${path}/${chosen?.network}`, { reason });
  const done = await tell(change, "", "behind");
  if (!done) return;
  await list();
  if ($("behind-address")) $("behind-address").value = "";
  told("behind", { done: puts ? `Network ${done.network} is put behind.` : `Network ${done.network} joins like all others again.` });
  $("behind-title").focus();
}

/** @param {boolean} changes whether this operator may change anything */
export function wireBehind(changes) {
  mayChange = changes;
  if (changes) {
    $("behind-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      const address = $("behind-address").value.trim();
      if (address) askBehind({ address }, true);
      else refuse("behind", "behind-address", "Type an address first.");
    });
    $("behind-reason").addEventListener("input", () => { $("behind-yes").disabled = !$("behind-reason").value.trim(); });
    $("behind-dialog").addEventListener("close", act);
  }
  list();
}
