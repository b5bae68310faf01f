// The Node connector judges passes as the table says that all connectors share.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { expressGate } from "./express.js";
import { Gate, PassRefused, Revoked, keysOf, verify } from "./index.js";

const TABLE = JSON.parse(readFileSync(new URL("../cases.json", import.meta.url), "utf-8"));
const GOOD = TABLE.cases[0].pass;

function judged(text) {
  const facts = { issuer: TABLE.issuer, room: TABLE.room, now: TABLE.now };
  const revoked = new Set(TABLE.revoked);
  try {
    const issuedBefore = TABLE.issued_before;
    verify(text, keysOf(TABLE.jwks), { ...facts, revoked, issuedBefore });
  } catch (error) {
    if (error instanceof PassRefused) return error.code;
    throw error;
  }
  return "good";
}

test("every case is judged as the table says", () => {
  for (const { name, pass, expect } of TABLE.cases) assert.equal(judged(pass), expect, name);
});

test("a pass with any character changed is refused", () => {
  for (let at = 0; at < GOOD.length; at += 1) {
    const other = GOOD[at] === "A" ? "B" : "A";
    assert.notEqual(judged(GOOD.slice(0, at) + other + GOOD.slice(at + 1)), "good", String(at));
  }
});

test("revoked ids are kept as long as their passes may hold and no longer", () => {
  const known = new Revoked();
  const told = (now, ids, reset = false) =>
    known.take({ version: 1, reset, more: false, issued_before: null, pass_s: 100, revoked: ids }, now);
  told(0, ["a"], true);
  for (const now of [50, 99, 101, 199]) {
    told(now, [`b${now}`]);
    assert.ok(known.has("a"), String(now));
  }
  told(202, []);
  assert.ok(!known.has("a") && known.has("b199"));
  told(203, ["c"], true);
  assert.equal(known.size, 1);
});

function gateOf(service, options = {}) {
  const ask = async (method, path) => {
    service.asked.push(`${method} ${path.split("?")[0]}`);
    if (service.away) throw new Error("away");
    if (path.includes("jwks.json")) return { status: 200, body: TABLE.jwks };
    if (path.includes("revocations")) {
      const body = { version: 5, reset: !path.includes("?"), more: false, revoked: [] };
      return { status: 200, body: { ...body, issued_before: null, pass_s: 300 } };
    }
    return service.over ? { status: 401, body: null } : { status: 200, body: { pass: GOOD } };
  };
  const clock = () => TABLE.now;
  return new Gate(TABLE.issuer, { room: "drop", whenAway: "closed", ask, clock, ...options });
}

function request(path, text, headers = { accept: "text/html" }, method = "GET") {
  const cookie = text ? { cookie: `__Host-waitroom_pass_drop=${text}` } : {};
  return { method, url: `https://shop.example${path}`, headers: { ...headers, ...cookie } };
}

test("while the room is away an open gate lets in and a closed one needs a pass", async () => {
  const never = { away: true, asked: [] };
  const open = gateOf(never, { whenAway: "open" });
  const closed = gateOf(never);
  assert.equal((await open.check(request("/"))).status, 0);
  assert.equal((await closed.check(request("/"))).status, 503);
  assert.throws(() => new Gate(TABLE.issuer, { room: "drop" }), /whenAway/);
  assert.throws(() => gateOf(never, { pahts: ["/"] }), /pahts/);

  let passed = 0;
  const service = { asked: [] };
  const known = gateOf(service, { ticks: () => passed });
  assert.equal((await known.check(request("/", GOOD))).status, 0);
  service.away = true;
  passed = 60;
  await known.room.refresh();
  assert.equal((await known.check(request("/"))).status, 503);
  assert.equal((await known.check(request("/", GOOD))).status, 0);
});

test("a pass that is over is renewed, and a session that is over is asked about once", async () => {
  const over = TABLE.cases.find(({ expect }) => expect === "pass_over").pass;
  const service = { asked: [] };
  const gate = gateOf(service);
  const verdict = await gate.check(request("/", over));
  assert.equal(verdict.status, 0);
  assert.match(verdict.headers[0][1], new RegExp(`^__Host-waitroom_pass_drop=${GOOD}; Path=/`));
  service.over = true;
  for (let at = 0; at < 5; at += 1) {
    const refused = await gate.check(request("/", over, {}));
    assert.equal(JSON.parse(refused.body).code, "pass_revoked");
  }
  assert.equal(service.asked.filter((one) => one.startsWith("POST")).length, 2);
});

test("paths are protected in every spelling", async () => {
  const options = { paths: ["/checkout"], exceptPaths: ["/checkout/help"] };
  const gate = gateOf({ asked: [] }, options);
  for (const path of ["/", "/checkouts", "/checkout/help?x", "/?/checkout"]) {
    assert.equal((await gate.check(request(path))).status, 0, path);
  }
  for (const path of ["/checkout", "/CheckOut/x", "/%63heckout", "//checkout", "/x/..%2fcheckout"]) {
    assert.equal((await gate.check(request(path))).status, 302, path);
  }
  assert.equal((await gate.check(request("/checkout/help/%2e%2e/pay"))).status, 302);
});

test("a whole address in place of a path is read as Express reads it", async () => {
  const middleware = expressGate(gateOf({ asked: [] }, { paths: ["/checkout"] }));
  const seen = async (originalUrl) => {
    const response = { appendHeader() {}, end() {}, statusCode: 0 };
    const asked = { method: "GET", headers: {}, protocol: "https", get: () => "h", originalUrl };
    let passed = false;
    await middleware(asked, response, () => (passed = true));
    return passed;
  };
  assert.ok(await seen("/about"));
  for (const path of ["/checkout", "http://elsewhere.example/checkout", "checkout"]) {
    assert.ok(!(await seen(path)), path);
  }
});

test("a crowd with old passes opens no gate of a service that is there", async () => {
  const over = TABLE.cases.find(({ expect }) => expect === "pass_over").pass;
  const service = { asked: [] };
  const gate = gateOf(service, { whenAway: "open" });
  await gate.check(request("/", GOOD));
  service.over = true;
  const crowd = Array.from({ length: 80 }, () => gate.check(request("/", over, {})));
  for (const { status } of await Promise.all(crowd)) assert.equal(status, 429);
});

test("no shared cache keeps an answer with a pass", async () => {
  const over = TABLE.cases.find(({ expect }) => expect === "pass_over").pass;
  const sent = async (text, said) => {
    const headers = new Map([["cache-control", said]]);
    const response = {
      appendHeader: (name, value) => headers.set(name.toLowerCase(), value),
      getHeader: (name) => headers.get(name.toLowerCase()),
      removeHeader: (name) => headers.delete(name.toLowerCase()),
      setHeader: (name, value) => headers.set(name.toLowerCase(), value),
      writeHead() {},
    };
    const cookie = `__Host-waitroom_pass_drop=${text}`;
    const asked = { method: "GET", headers: { cookie }, protocol: "https", get: () => "h", originalUrl: "/" };
    await expressGate(gateOf({ asked: [] }))(asked, response, () => response.writeHead(200));
    return headers.get("cache-control");
  };
  assert.equal(await sent(over, "public, max-age=600"), "private, no-cache");
  assert.equal(await sent(over, "private, max-age=9"), "private, max-age=9");
  assert.equal(await sent(GOOD, "public, max-age=600"), "public, max-age=600");
});

test("a pass in the address goes into a cookie, and a bad one into no circle", async () => {
  const gate = gateOf({ asked: [] });
  const { status, headers } = await gate.check(request(`/buy?a=1&waitroom_pass=${GOOD}&b=%20`));
  assert.deepEqual([status, headers[0]], [302, ["Location", "https://shop.example/buy?a=1&b=%20"]]);
  assert.equal((await gate.check(request("/buy?waitroom_pass=x"))).status, 403);
  assert.equal((await gate.check(request("/buy", "x"))).status, 302);
  assert.equal((await gate.check(request("/buy", "", { accept: "text/html" }, "POST"))).status, 429);
});
