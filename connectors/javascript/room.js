// What a site hears from the service of its room: keys, revoked passes, renewals.

import { Revoked, claimsIn, keysOf } from "./passes.js";

const KEYS_KEPT_S = 300;
const POLL_MS = 1000;
const ASK_WAIT_MS = 3000;
const AWAY_AFTER_S = 10;
// After a failure, or after the keys were fetched, a request does not ask again for so long.
const REST_S = 5;
const RENEWALS_AT_ONCE_MAX = 64;
const RELEASE_TRIES = 3;

/** The service of the room did not answer. */
export class RoomAway extends Error {}

/** The service of the room is there, and cannot be asked for this now. */
export class RoomBusy extends RoomAway {}

/** The session of a pass is over. */
export class SessionEnded extends Error {}

/** `ask` replaces HTTP: it takes a method, a path and a pass, and gives `{ status, body }`. */
export class Room {
  keys = new Map();
  revoked = new Revoked();
  #ask;
  #ticks;
  #keysAt = -Infinity;
  #heardAt = -Infinity;
  #failedAt = -Infinity;
  #renewals = 0;
  #first = null;

  constructor(reach, name, { ask, ticks } = {}) {
    this.name = name;
    this.#ask = ask ?? overHttp(reach);
    this.#ticks = ticks ?? (() => performance.now() / 1000);
  }

  /** Whether the service has not answered for a while, or not at all yet. */
  get isAway() {
    const silentS = this.#ticks() - this.#heardAt;
    return this.keys.size === 0 || (this.#failedAt > this.#heardAt && silentS > AWAY_AFTER_S);
  }

  /** Whether a request may ask the service, which did not fail a moment ago. */
  get mayBeAsked() {
    return this.#ticks() - this.#failedAt > REST_S;
  }

  /** Whether a request may ask for keys: so no crowd of forged passes asks for them. */
  get mayHaveNewKeys() {
    return this.mayBeAsked && this.#ticks() - this.#keysAt > REST_S;
  }

  /** Start to listen; it is fulfilled once the service was asked the first time. */
  isHeard() {
    this.#first ??= this.#listen();
    return this.#first;
  }

  /** Ask for the keys if they are old, and for what was revoked since the last time. */
  async refresh() {
    try {
      if (this.#ticks() - this.#keysAt > KEYS_KEPT_S) await this.#fetchKeys();
      let more = true;
      while (more) {
        const since = this.revoked.version >= 0 ? `?since=${this.revoked.version}` : "";
        const document = await this.#get(`/rooms/${this.name}/revocations${since}`);
        more = this.revoked.take(document, this.#ticks());
      }
      this.#heardAt = this.#ticks();
    } catch {
      this.#failedAt = this.#ticks();
    }
  }

  /** Ask for the keys again for a pass of an unknown one. */
  async findKeys() {
    this.#keysAt = this.#ticks();
    try {
      // A cache in between may keep the keys of before, but not at this address.
      await this.#fetchKeys(`?at=${Math.floor(Date.now() / 1000)}`);
    } catch {
      this.#failedAt = this.#ticks();
    }
  }

  /** Exchange a pass for a new one of its session; throws SessionEnded and RoomAway. */
  async renew(text) {
    if (!this.mayBeAsked || this.#renewals >= RENEWALS_AT_ONCE_MAX) throw new RoomBusy();
    this.#renewals += 1;
    let answer;
    try {
      answer = await this.#ask("POST", "/checkout/session/pass", text);
    } catch {
      answer = { status: 503 };
    } finally {
      this.#renewals -= 1;
    }
    if (answer.status === 200) return answer.body.pass;
    if (answer.status >= 500 || answer.status === 429) {
      this.#failedAt = this.#ticks();
      throw answer.status === 429 ? new RoomBusy() : new RoomAway();
    }
    // It is over for good, so the service is not asked for this pass again.
    this.revoked.add(claimsIn(text).sub);
    throw new SessionEnded();
  }

  /** Give the seat of a pass to the next shopper; from now on the pass is worth nothing. */
  async release(text) {
    this.revoked.add(claimsIn(text).sub);
    for (let tries = 0; tries < RELEASE_TRIES; tries += 1) {
      try {
        await this.#ask("DELETE", "/checkout/session/pass", text);
        return;
      } catch {
        this.#failedAt = this.#ticks();
        await rest(POLL_MS);
      }
    }
  }

  async #fetchKeys(query = "") {
    this.keys = keysOf(await this.#get(`/.well-known/jwks.json${query}`));
    this.#keysAt = this.#ticks();
  }

  async #get(path) {
    const answer = await this.#ask("GET", path, "");
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`);
    return answer.body;
  }

  async #listen() {
    await this.refresh();
    const again = async () => {
      await this.refresh();
      setTimeout(again, POLL_MS).unref();
    };
    setTimeout(again, POLL_MS).unref();
  }
}

function rest(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

function overHttp(reach) {
  if (!/^https?:\/\//.test(reach)) throw new Error("the address of the service begins with https://");
  const base = reach.replace(/\/+$/, "");
  return async (method, path, bearer) => {
    const headers = { Accept: "application/json" };
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    // A redirect would send a pass to somebody else.
    const asked = { method, headers, redirect: "manual", signal: AbortSignal.timeout(ASK_WAIT_MS) };
    const answer = await fetch(base + path, asked);
    const text = await answer.text();
    return { status: answer.status, body: answer.ok && text ? JSON.parse(text) : null };
  };
}
