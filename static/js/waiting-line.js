import { estimate, milestone } from "./place.js";
import { announce, drawPlace, reason } from "./waiting-view.js";

// A private window may forbid storage; the page then only forgets where it began.
function recall(key) { try { return localStorage[key]; } catch { return ""; } }
function remember(key, value) { try { localStorage[key] = value; } catch { /* see above */ } }

/**
 * Show how one number moves up in its line, and announce milestones.
 * @param {string} room
 */
export function watch(room) {
  let best = null, said = null;

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

  return {
    place: () => best,
    poll: (line) => here(line)?.poll,
    forget() { best = said = null; },
    /** @param {any} me the ticket @param {any} doc @param {any} line the ticket's in the document */
    draw(me, doc, line) {
      const first = settle(me, line), now = here(line);
      if (!now) return;
      drawPlace(now, first, doc, reason(doc));
      const news = doc.status === "open" ? milestone(said, now) : "";
      if (news) { announce(news); said = now; }
    },
  };
}
