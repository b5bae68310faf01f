import { speak, tell, withdraw } from "./waiting-news.js";
import { say } from "./words.js";

const OFFLINE = say("No connection right now. Your place is kept, and this page keeps trying.");

/** Tell of another number. @param {any} was the ticket before @param {any} now */
export function tellNumber(was, now) {
  if (was?.status === "entered" && now.number) tell(say("The order is drawn. Your number is {number}.", { number: now.number }), "drawn");
  else if (was?.number && now.number && was.number !== now.number) tell(say("This browser has another number now: {number}. Before, it had {before}, reference {reference}.", { number: now.number, before: was.number, reference: was.reference }));
}

/** Tell of a room that stops or goes on. @param {string} view @param {any} me the ticket @param {string} was the room's status @param {string} now */
export function tellRoom(view, me, was, now) {
  if (view === "waiting" && now === "paused" && was !== "paused") speak(say("The line is paused. Your place is kept."));
  if (view === "waiting" && now === "open" && was === "paused") speak(say("The line is moving again."));
  if (me?.number && now === "open" && was === "sold_out") tell(say("Something came back: the line moves on."), "back");
}

/** Take back what is over once the page shows something else. @param {string} view */
export function tellView(view) {
  withdraw("act");
  if (view !== "waiting") withdraw("back");
}

/** Tell of failures in a row. @param {number} failures @param {string} why @param {any} me */
export function tellFailure(failures, why, me) {
  if (failures === 1 && !me) tell(`${why} ${say("This page keeps trying.")}`, "net", true);
  if (failures === 3 && me) tell(OFFLINE, "net", true);
}

/** @param {number} failures before this success @param {any} me */
export function tellSuccess(failures, me) {
  if (failures) withdraw("net");
  if (failures > 2 && me) speak(say("The connection is back. Your place is kept."));
}

/** Tell the result of a look that the shopper asked for. @param {boolean} failed */
export const tellLook = (failed) => (failed ? tell(OFFLINE, "net", true) : tell(say("Looked just now: this is how it stands."), "act"));
