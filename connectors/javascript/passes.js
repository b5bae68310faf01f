// Verify passes of a waitroom room. Pure: time, keys and revoked ids come in as arguments.

import { createPublicKey, verify as isSigned } from "node:crypto";

export const PASS_TYPE = "waitroom-pass+jwt";
const PASS_LENGTH_MAX = 1024;
// A site's clock may be behind the room's by so much.
const CLOCK_SLACK_S = 60;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A pass does not let its bearer in. `code` is stable, `status` is for programs. */
export class PassRefused extends Error {
  constructor(code, sentence, status = 403) {
    super(sentence);
    this.code = code;
    this.status = status;
  }
}

/** Return what a pass says that is good now; throws PassRefused, which says why not. */
export function verify(text, keys, { issuer, room, now, revoked, issuedBefore = 0 }) {
  const parts = text.split(".");
  if (text.length > PASS_LENGTH_MAX || parts.length !== 3) throw unreadable();
  const header = decoded(parts[0]);
  const claims = decoded(parts[1]);
  if (header.alg !== "EdDSA" || header.typ !== PASS_TYPE) throw unreadable();
  const key = keys.get(header.kid);
  if (key === undefined) {
    throw new PassRefused("pass_of_unknown_key", "No key of the room signed this pass.");
  }
  if (!isSigned(null, Buffer.from(`${parts[0]}.${parts[1]}`), key, raw(parts[2]))) {
    throw new PassRefused("pass_forged", "The signature is not over this pass.");
  }
  requireTypes(claims);
  if (claims.iss !== issuer) {
    throw new PassRefused("pass_of_another_service", "Another service gave this pass.");
  }
  if (claims.aud !== room) {
    throw new PassRefused("pass_of_another_room", "This pass is for another room.");
  }
  if (claims.iat > now + CLOCK_SLACK_S) {
    throw new PassRefused("pass_not_yet", "This pass is not valid yet: compare the clocks.");
  }
  if (revoked?.has(claims.sub)) {
    throw new PassRefused("pass_revoked", "The session of this pass has ended.", 429);
  }
  if (claims.exp <= now || claims.iat < issuedBefore) {
    throw new PassRefused("pass_over", "This pass has run out.", 429);
  }
  return claims;
}

/** Return what a pass says that was verified before. */
export function claimsIn(text) {
  return decoded(text.split(".")[1]);
}

/** Return the keys of a JWK set by their ids; keys of another kind are left out. */
export function keysOf(document) {
  const ours = document.keys.filter((key) => key.kty === "OKP" && key.crv === "Ed25519");
  return new Map(ours.map((key) => [key.kid, createPublicKey({ key, format: "jwk" })]));
}

function requireTypes(claims) {
  const texts = [claims.iss, claims.aud, claims.sub];
  const times = [claims.iat, claims.exp];
  if (!texts.every((one) => typeof one === "string") || !times.every(Number.isSafeInteger)) {
    throw unreadable();
  }
}

function unreadable() {
  return new PassRefused("pass_unreadable", "This is no pass of a room.");
}

/** Return the bytes of base64url without padding; it has one spelling. */
function raw(part) {
  const bytes = Buffer.from(part, "base64url");
  if (bytes.toString("base64url") !== part) throw unreadable();
  return bytes;
}

function decoded(part) {
  let value;
  try {
    value = JSON.parse(UTF8.decode(raw(part)));
  } catch {
    throw unreadable();
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unreadable();
  return value;
}

/**
 * The ids of sessions that ended before their passes ran out.
 *
 * An id is kept for one to two times as long as a pass holds: after that its passes are over.
 */
export class Revoked {
  version = -1;
  issuedBefore = 0;
  #new = new Set();
  #old = new Set();
  #turnAt = 0;

  has(id) {
    return this.#new.has(id) || this.#old.has(id);
  }

  get size() {
    return this.#new.size + this.#old.size;
  }

  add(id) {
    this.#new.add(id);
  }

  /** Take a list of the room in, whole or what is new in it; say whether there is more. */
  take(document, now) {
    if (document.reset || now >= this.#turnAt) {
      this.#old = document.reset ? new Set() : this.#new;
      this.#new = new Set();
      this.#turnAt = now + document.pass_s;
    }
    for (const id of document.revoked) this.#new.add(id);
    this.version = document.version;
    this.issuedBefore = Math.max(this.issuedBefore, document.issued_before ?? 0);
    return document.more;
  }
}
