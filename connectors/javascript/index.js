// Put a waitroom room in front of a site in Node, without a request to waitroom for each visit.
//
//   const gate = new Gate("https://queue.example", { room: "drop", whenAway: "closed" });
//   app.use(expressGate(gate));

export { expressGate } from "./express.js";
export { Gate } from "./gate.js";
export { PassRefused, Revoked, keysOf, verify } from "./passes.js";
export { Room, RoomAway } from "./room.js";
