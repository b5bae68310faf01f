import { stopwatch } from "./clock.js";
import { estimate, milestone } from "./place.js";
import { speak } from "./waiting-news.js";
import { drawPlace, reason, said } from "./waiting-view.js";
import { count } from "./words.js";

/** A wait that grew by this share and these seconds has the reason beside it for this long. */
const GREW_SHARE = 0.15, GREW_S = 15, REASON_S = 60;

// A private window may forbid storage; the page then only forgets.
export function recall(key) { try { return localStorage[key]; } catch { return ""; } }
export function remember(key, value) { try { if (value) localStorage[key] = value; else localStorage.removeItem(key); } catch { /* see above */ } }

/** As long as the cookie of a ticket. */
const TRACE_MS = 7 * 86_400_000;
const ENDED = ["left", "over", "revoked", "ended"];

/** Remember which place this browser has, so that one that loses its cookies can be told. @param {string} room @param {any} me the ticket, or null */
export function keepTrace(room, me) {
  const number = me?.number ?? me?.entry;
  remember(`waitroom-place:${room}`, number && !ENDED.includes(me.status) ? JSON.stringify({ number: count(number), reference: me.reference, at: Date.now() }) : "");
  // The receipt comes once, with the place; the log's page checks it.
  if (me?.receipt) remember(`waitroom-receipt:${room}`, JSON.stringify(me.receipt));
}

/** @param {string} room @returns {{number: string, reference: string} | null} */
export function trace(room) {
  try {
    const kept = JSON.parse(recall(`waitroom-place:${room}`));
    return Date.now() - kept.at < TRACE_MS ? kept : null;
  } catch { return null; }
}

/**
 * Show how one number moves up in its line, and speak of milestones.
 * @param {string} room
 */
export function watch(room) {
  const clock = stopwatch();
  let best = null, spoken = null, told = null, slower = -Infinity;

  /** @param {any} line @returns {import("./place.js").Estimate | null} */
  const here = (line) => best != null && line?.table.length ? estimate(line.table, best) : null;

  /** Keep the smallest place seen, also over a reload, so that the place never rises. @returns {number} the first one */
  function settle(me, line) {
    const key = `place ${room} ${me.line} ${me.number}`;
    let [first, least] = (recall(key) || "Infinity Infinity").split(" ").map(Number);
    best = Math.min(best ?? least, least, Math.max(0, me.number - line.head));
    first = first < Infinity ? Math.max(first, best) : best;
    remember(key, `${first} ${best}`);
    return first;
  }

  /** Return why the wait is as it is. The server tells none that jumps for seconds (waitroom/line/forecast/told.py). @param {import("./place.js").Estimate} now @param {any} doc */
  function whyNow(now, doc) {
    const at = clock(), before = told;
    told = now.high;
    if (before != null && told > before + Math.max(GREW_S, GREW_SHARE * before)) slower = at;
    return reason(doc) || (at - slower < REASON_S ? said("why", "slower") : "");
  }

  return {
    place: () => best,
    poll: (line) => here(line)?.poll,
    forget() { best = spoken = told = null; slower = -Infinity; },
    /** @param {any} me the ticket @param {any} doc @param {any} line the ticket's in the document */
    draw(me, doc, line) {
      const first = settle(me, line), found = here(line);
      if (!found) return;
      // A place that is called before all new ones has no forecast.
      const now = found.place ? found : { ...found, low: null, high: null };
      drawPlace(now, first, doc, whyNow(now, doc));
      const news = doc.status === "open" ? milestone(spoken, now, doc) : "";
      if (news) { speak(news); spoken = now; }
    },
  };
}
