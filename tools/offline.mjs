// Measure a pass in Node, for tools/offline.py: microseconds by name, as JSON.

import { readFileSync } from "node:fs";

import { Gate, PassRefused, keysOf, verify } from "../connectors/javascript/index.js";

const TABLE = JSON.parse(readFileSync(new URL("../connectors/cases.json", import.meta.url), "utf-8"));
const GOOD = TABLE.cases[0].pass;
const FORGED = TABLE.cases.find(({ expect }) => expect === "pass_forged").pass;
const ROUNDS = 15;
const PER_ROUND = 400;

async function us(act) {
  const found = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // CPU time leaves out what other programs of a busy machine take.
    const started = process.cpuUsage();
    for (let at = 0; at < PER_ROUND; at += 1) await act();
    const { user, system } = process.cpuUsage(started);
    found.push((user + system) / PER_ROUND);
  }
  return found.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)];
}

const keys = keysOf(TABLE.jwks);
const facts = { issuer: TABLE.issuer, room: TABLE.room, now: TABLE.now };

function forged() {
  try {
    verify(FORGED, keys, facts);
  } catch (error) {
    if (error instanceof PassRefused) return;
  }
  throw new Error("a forged pass was good");
}

const list = { version: 1, reset: true, more: false, issued_before: null, pass_s: 300, revoked: [] };
const ask = async (_, path) => ({ status: 200, body: path.endsWith("jwks.json") ? TABLE.jwks : list });
const clock = () => TABLE.now;
const gate = new Gate(TABLE.issuer, { room: "drop", whenAway: "closed", ask, clock });
const headers = { accept: "text/html", cookie: `__Host-waitroom_pass_drop=${GOOD}` };
const request = { method: "GET", url: "https://shop.example/checkout?a=1", headers };
if ((await gate.check(request)).status !== 0) throw new Error("a good pass was refused");

const found = {
  "verify a good pass, Node (µs)": await us(() => verify(GOOD, keys, facts)),
  "refuse a forged pass, Node (µs)": await us(forged),
  "decide on a request, Node (µs)": await us(() => gate.check(request)),
};
console.log(JSON.stringify(found));
