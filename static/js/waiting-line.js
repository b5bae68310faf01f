import { estimate, milestone, whyLonger } from "./place.js";
import { announce, drawPlace, reason } from "./waiting-view.js";
import { stopwatch } from "./clock.js";

// A private window may forbid storage; the page then only forgets where it began.
function recall(key) { try { return localStorage[key]; } catch { return ""; } }
function remember(key, value) { try { localStorage[key] = value; } catch { /* see above */ } }

/**
 * How one number fares in its line: draws it, tells of milestones, and says why if the wait grows.
 * @param {string} room
 */
export function watch(room) {
  let best = null, said = null, yardstick = null, why = "", whySince = stopwatch();

  /** @param {any} doc @param {any} line @returns {import("./place.js").Estimate | null} */
  const here = (doc, line) => best != null && line?.table.length ? { ...estimate(line.table, best), rate: doc.calling_per_min } : null;

  /** The place never rises: the smallest one seen is kept, also over a reload. @returns {number} the first one */
  function settle(me, line) {
    const key = `place ${room} ${me.line} ${me.number}`;
    let [first, least] = (recall(key) || "Infinity Infinity").split(" ").map(Number);
    best = Math.min(best ?? least, least, Math.max(0, me.number - line.head));
    first = first < Infinity ? Math.max(first, best) : best;
    remember(key, `${first} ${best}`);
    return first;
  }

  /** What the document gives as reason goes before what can be guessed from its figures. */
  function whyNow(now) {
    const longer = yardstick ? whyLonger(yardstick, now) : "";
    if (longer || whySince() > 120) { why = longer; whySince = stopwatch(); }
    // The yardstick moves only down or with an explanation, so that slow growth is explained too.
    if (!yardstick || longer || now.high == null || yardstick.high == null || now.high < yardstick.high) yardstick = now;
    return why;
  }

  return {
    place: () => best,
    poll: (doc, line) => here(doc, line)?.poll,
    forget() { best = said = yardstick = null; why = ""; },
    /** @param {any} me the ticket @param {any} doc @param {any} line the ticket's in the document */
    draw(me, doc, line) {
      const first = settle(me, line), now = here(doc, line);
      if (!now) return;
      const guess = whyNow(now);
      drawPlace(now, first, doc, reason(doc) || guess);
      const news = doc.status === "open" ? milestone(said, now) : "";
      if (news) { announce(news); said = now; }
    },
  };
}
