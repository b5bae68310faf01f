// Leads visitors of a static page through a waitroom room, and shows the page to those let in.
//
// It asks browsers to wait and cannot force them: whatever must be safe is checked by a server.
// The page is hidden by `data-waitroom-hidden` on <html> until a pass is verified. While waitroom is
// away and `data-when-away` is "closed", <html> has `data-waitroom-away`; a pass that can never be
// good here leaves its code in `data-waitroom-refused`.
(() => {
  const { waitroom, room, whenAway } = document.currentScript.dataset;
  const page = document.documentElement;
  const kept = `waitroom_pass_${room}`;
  const AGAIN_MS = 5000;
  const CLOCK_SLACK_S = 60;

  if (whenAway !== "open" && whenAway !== "closed") {
    throw new TypeError('data-when-away is "open" or "closed"');
  }

  const url = new URL(location.href);
  let handed = url.searchParams.get("waitroom_pass");
  if (handed !== null) {
    url.searchParams.delete("waitroom_pass");
    history.replaceState(history.state, "", url);
    localStorage.setItem(kept, handed);
  }

  function raw(part) {
    const text = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(text, (sign) => sign.charCodeAt(0));
  }

  function decoded(part) {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(raw(part)));
  }

  async function get(path) {
    const answer = await fetch(waitroom + path, { credentials: "omit" });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return answer.json();
  }

  async function isSigned(text, kid) {
    const { keys } = await get("/.well-known/jwks.json");
    const found = keys.find((key) => key.kid === kid);
    if (!found) return false;
    const [head, body, signature] = text.split(".");
    const signed = new TextEncoder().encode(`${head}.${body}`);
    const { kty, crv, x } = found;
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x }, "Ed25519", false, ["verify"]);
    return crypto.subtle.verify("Ed25519", key, raw(signature), signed);
  }

  async function isRevoked({ sub, iat }) {
    let since = "";
    for (;;) {
      const list = await get(`/rooms/${room}/revocations${since}`);
      if (list.revoked.includes(sub) || iat < (list.issued_before ?? 0)) return true;
      if (!list.more) return false;
      since = `?since=${list.version}`;
    }
  }

  /** Return what a pass says; throws a text, the code of what is wrong with it. */
  function read(text) {
    let header, claims;
    try {
      [header, claims] = text.split(".", 2).map(decoded);
    } catch {
      throw "pass_unreadable";
    }
    if (header.alg !== "EdDSA" || header.typ !== "waitroom-pass+jwt") throw "pass_unreadable";
    if (claims.iss !== waitroom) throw "pass_of_another_service";
    if (claims.aud !== room) throw "pass_of_another_room";
    const now = Date.now() / 1000;
    if (!(claims.iat <= now + CLOCK_SLACK_S)) throw "pass_not_yet";
    if (!(claims.exp > now)) throw "pass_over";
    return { header, claims };
  }

  async function judge(text) {
    if (text === null) throw "pass_missing";
    const { header, claims } = read(text);
    if (!(await isSigned(text, header.kid))) throw "pass_forged";
    if (await isRevoked(claims)) throw "pass_revoked";
    return claims;
  }

  function wait(code) {
    localStorage.removeItem(kept);
    // A pass that just came from the room and is not good here would come back for ever.
    if (handed !== null && code !== "pass_revoked") {
      page.dataset.waitroomRefused = code;
      return;
    }
    location.replace(`${waitroom}/rooms/${room}?to=${encodeURIComponent(url.href)}`);
  }

  function show(seconds) {
    handed = null;
    delete page.dataset.waitroomHidden;
    delete page.dataset.waitroomAway;
    setTimeout(check, seconds * 1000);
  }

  async function check() {
    try {
      const claims = await judge(localStorage.getItem(kept));
      show(Math.min(claims.exp - Date.now() / 1000, 60));
    } catch (error) {
      if (typeof error === "string") return wait(error);
      // The room's service does not answer.
      if (whenAway === "open") return show(60);
      page.dataset.waitroomAway = "";
      setTimeout(check, AGAIN_MS);
    }
  }

  check();
})();
