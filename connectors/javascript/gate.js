// Which requests reach a site, and where all others are led.

import { pageOf, problemOf } from "./answers.js";
import { cookiesIn, isBelow, onlyReads, pathOf, readings, withoutPass } from "./addresses.js";
import { PassRefused, verify } from "./passes.js";
import { Room, RoomAway, RoomBusy, SessionEnded } from "./room.js";

const HEADER = "x-waitroom-pass";
export const COMMAND = "x-waitroom-command";
const SAME_NAME_MAX = 8;
// A pass that held for less from the beginning ends with its session.
const RENEWED_FROM_S = 15;
const PRIVATE = [
  ["Cache-Control", "no-store"],
  ["Referrer-Policy", "no-referrer"],
];

/**
 * Stands between the browsers and a site.
 *
 * `waitroom` is the address of the room's service as browsers know it, `reach` another one at which
 * this machine reaches it. While the service is away, `whenAway` lets everybody in ("open") or only
 * the bearers of a good pass ("closed"). A request is protected if its path is below one of `paths`,
 * or it has one of the `cookies` or `headers`; all are if none is named. Those below `exceptPaths`
 * never are. `site` is the site's address as browsers know it, if a proxy hides it.
 */
export class Gate {
  #options;
  #clock;

  constructor(waitroom, { room, whenAway, site = "", reach, ask, clock, ticks, ...requests }) {
    if (whenAway !== "open" && whenAway !== "closed") {
      throw new TypeError('whenAway is "open" or "closed"');
    }
    const { paths = [], cookies = [], headers = [], exceptPaths = [], ...unknown } = requests;
    const [stray] = Object.keys(unknown);
    if (stray !== undefined) throw new TypeError(`there is no option ${stray}`);
    if (![paths, cookies, headers, exceptPaths].every(Array.isArray)) {
      throw new TypeError("paths, cookies, headers and exceptPaths are lists");
    }
    const names = headers.map((name) => name.toLowerCase());
    this.#options = { paths, cookies, headers: names, exceptPaths, whenAway, site };
    this.#clock = clock ?? (() => Date.now() / 1000);
    this.waitroom = waitroom.replace(/\/+$/, "");
    this.room = new Room(reach ?? waitroom, room, { ask, ticks });
  }

  /**
   * Decide on `{ method, url, headers }`; names of headers are in small letters.
   *
   * The site answers if `status` of the verdict is 0, and its `headers` are added to that answer;
   * otherwise the verdict is the answer. `carried` is the pass that let the request in.
   */
  async check(request) {
    if (!this.#isProtected(request)) return { status: 0, headers: [], carried: "" };
    await this.room.isHeard();
    const url = this.#options.site + (this.#options.site ? pathOf(request.url) : request.url);
    const { clean, handed } = withoutPass(url);
    const name = this.#cookieName(url);
    const kept = cookiesIn(request.headers.cookie).filter(([one]) => one === name);
    const values = kept.slice(0, SAME_NAME_MAX).map(([, value]) => value);
    let refusal = null;
    for (const text of new Set([...handed, request.headers[HEADER], ...values])) {
      if (!text) continue;
      try {
        const good = await this.#good(text);
        return this.#letIn(request, good, { url, clean, handed, changed: good !== text });
      } catch (error) {
        if (!(error instanceof PassRefused)) throw error;
        refusal ??= error;
      }
    }
    refusal ??= new PassRefused("pass_missing", "This needs a pass of the room.", 429);
    return this.#refuse(request, refusal, { url, clean, handed });
  }

  /** Return the headers to add to the site's answer, which asks for a command or for none. */
  answered(verdict, command) {
    if (String(command ?? "").trim().toLowerCase() === "release" && verdict.carried) {
      void this.room.release(verdict.carried);
      return [verdict.forget];
    }
    return verdict.headers;
  }

  async #good(text) {
    let { claims, refusal } = this.#read(text);
    if (refusal?.code === "pass_of_unknown_key" && this.room.mayHaveNewKeys) {
      await this.room.findKeys();
      ({ claims, refusal } = this.#read(text));
    }
    if (refusal && refusal.code !== "pass_over") throw refusal;
    if (claims && !this.#runsOutSoon(claims)) return text;
    if (!this.room.mayBeAsked) {
      if (refusal) throw refusal;
      return text;
    }
    return this.#renewed(text, refusal);
  }

  #read(text) {
    const { keys, revoked, name } = this.room;
    const facts = { issuer: this.waitroom, room: name, now: this.#clock(), revoked };
    try {
      return { claims: verify(text, keys, { ...facts, issuedBefore: revoked.issuedBefore }) };
    } catch (refusal) {
      if (refusal instanceof PassRefused) return { refusal };
      throw refusal;
    }
  }

  #runsOutSoon({ iat, exp }) {
    return exp - iat > RENEWED_FROM_S && exp - this.#clock() < (exp - iat) / 3;
  }

  async #renewed(text, refusal) {
    let renewed;
    try {
      renewed = await this.room.renew(text);
    } catch (error) {
      if (error instanceof SessionEnded) {
        throw new PassRefused("pass_revoked", "Your session has ended.", 429);
      }
      if (!(error instanceof RoomAway)) throw error;
      if (!refusal) return text;
      // A crowd with old passes keeps the service busy, and opens no gate that way.
      throw error instanceof RoomBusy ? refusal : roomAway();
    }
    if (this.#read(renewed).refusal) {
      throw new PassRefused("clocks_differ", "The clock of this site is wrong.");
    }
    return renewed;
  }

  #isProtected({ url, headers }) {
    const { paths, cookies, headers: names, exceptPaths } = this.#options;
    const read = readings(pathOf(url).split(/[?#]/)[0]);
    if (exceptPaths.length && read.every((one) => isBelow(one, exceptPaths))) return false;
    if (!paths.length && !cookies.length && !names.length) return true;
    return (
      read.some((one) => isBelow(one, paths)) ||
      cookiesIn(headers.cookie).some(([name]) => cookies.includes(name)) ||
      names.some((name) => name in headers)
    );
  }

  #cookieName(url) {
    return `${url.startsWith("https:") ? "__Host-" : ""}waitroom_pass_${this.room.name}`;
  }

  #cookie(url, value) {
    const name = this.#cookieName(url);
    const flags = name.startsWith("__Host-") ? "; Secure" : "";
    const over = value ? "" : "; Max-Age=0";
    return ["Set-Cookie", `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${flags}${over}`];
  }

  #letIn(request, good, { url, clean, handed, changed }) {
    const headers = handed.length || changed ? [this.#cookie(url, good)] : [];
    const forget = this.#cookie(url, "");
    if (!handed.length || !onlyReads(request)) return { status: 0, headers, carried: good, forget };
    return { status: 302, headers: [["Location", clean], ...headers, ...PRIVATE], body: "" };
  }

  #refuse(request, refused, { url, clean, handed }) {
    let refusal = refused;
    if (this.room.isAway || refusal.code === "room_away") {
      if (this.#options.whenAway === "open") return { status: 0, headers: [], carried: "" };
      refusal = roomAway();
    }
    const { code, status } = refusal;
    // No browser can go back to an address that took a body, but to the page with the form.
    const back = onlyReads(request) ? clean : request.headers.referer;
    let there = `${this.waitroom}/rooms/${this.room.name}`;
    if (back) there += `?to=${encodeURIComponent(back)}`;
    const headers = [["X-Waitroom-Refusal", code], ...PRIVATE];
    if (code !== "pass_missing" && code !== "room_away") headers.push(this.#cookie(url, ""));
    const byBrowser = (request.headers.accept ?? "").includes("text/html");
    // A pass that just came from the room and is not good here would come back for ever.
    const lost = handed.length > 0 && status === 403;
    if (byBrowser && onlyReads(request) && !lost && status !== 503) {
      return { status: 302, headers: [["Location", there], ...headers], body: "" };
    }
    if (status !== 403) headers.push(["Retry-After", "10"]);
    const { type, body } = byBrowser
      ? pageOf(refusal, there, !onlyReads(request))
      : problemOf(refusal, there);
    return { status, headers: [...headers, ["Content-Type", type]], body };
  }
}

function roomAway() {
  return new PassRefused("room_away", "The waiting room does not answer. Try again soon.", 503);
}
