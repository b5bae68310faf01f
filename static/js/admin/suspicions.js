import { $, admin, fillRows, inRoom, tell, told } from "./api.js";
import { count, plural } from "../format.js";
import { momentOf } from "../moment.js";
import { button } from "./line-parts.js";
import { askBehind, wireBehind } from "./suspicions-behind.js";
import { listTaken, wireTaken } from "./suspicions-taken.js";

const MAY_CHANGE = $("admin").dataset.role !== "viewer";
const NONE = "No network stands out.";
/** The most places that one act takes away. */
const MOST = 200;

/** The words for each signal. @type {Record<string, (one: any) => string>} */
const WORDS = {
  unpaid: ({ unpaid }) => `${plural(unpaid, "basket")} not paid`,
  declined: ({ declined }) => `${plural(declined, "payment")} declined`,
  at_once: ({ at_once: quick }) => `${plural(quick, "call")} claimed within a second`,
  sessions: ({ sessions }) => `${plural(sessions, "session")} from one address`,
};

/** The network that is about to be acted on. @type {any} */
let chosen = null;

/** @param {any} one */
function act(one) {
  const { network } = one, acts = document.createElement("span");
  if (one.inside) acts.append(button("Take away…", `take ${network}`, () => ask(one), `Take the places of network ${network} away`), " ");
  acts.append(button("Put behind…", `behind ${network}`, () => askBehind({ network }, true), `Put network ${network} behind`));
  return acts;
}

/** @param {any} one */
function row(one) {
  const { network, signals, since, sessions, inside, paid, unpaid, held } = one;
  const figures = [sessions, inside, paid, unpaid, held].map((figure) => count(figure));
  return [network, signals.map((/** @type {string} */ name) => WORDS[name](one)).join(", "), momentOf(since), ...figures, ...(MAY_CHANGE ? [act(one)] : [])];
}

async function look() {
  const found = await tell(() => admin("GET", inRoom("/suspicions")), "", "networks");
  if (found) fillRows("network-rows", found.networks.map(row), NONE);
}

/** @param {any} one */
function ask(one) {
  chosen = { ...one, confirm: Math.min(one.inside, MOST) };
  $("many-title").textContent = `Take ${plural(chosen.confirm, "place")} away?`;
  $("many-does").textContent = `These are ${chosen.confirm < one.inside ? `the first of the ${count(one.inside)}` : "all"} open sessions of network ${one.network}. They end at once, and their items go back on the shelf. A payment that is under way is left to end. Each holder is told that the organiser took the place away, and can write to you with the reference. Below you can give the places back, but no session and no item.`;
  $("many-reason").value = "";
  $("many-yes").disabled = true;
  $("many-dialog").returnValue = "";
  $("many-dialog").showModal();
}

async function revoke() {
  if ($("many-dialog").returnValue !== "revoke" || !chosen) return;
  const { network, confirm } = chosen, reason = $("many-reason").value.trim();
  const done = await tell(() => admin("POST", inRoom("/revocations"), { network, confirm, reason }), "", "networks");
  if (!done) return;
  const kept = done.kept ? ` ${plural(done.kept, "place")} stayed: over, or with a payment under way.` : "";
  await look();
  listTaken();
  told("networks", { done: `${plural(done.revoked, "place")} taken away.${kept}` });
  // The button is gone, and the focus with it.
  $("networks-title").focus();
}

$("again").addEventListener("click", look);
if (MAY_CHANGE) {
  $("many-reason").addEventListener("input", () => { $("many-yes").disabled = !$("many-reason").value.trim(); });
  $("many-dialog").addEventListener("close", revoke);
}
wireTaken(MAY_CHANGE);
wireBehind(MAY_CHANGE);
look();
