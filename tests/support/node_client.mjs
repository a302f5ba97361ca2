/**
 * One client of socket.io-client that says what happens to it, and what it is asked to say.
 * Usage: node node_client.mjs URL TOKEN TRANSPORT
 * Each line that comes in is a message, {name, data, ack}; `ack` names the answer. Each line that goes out is one
 * of {connected}, {refused}, {told: [name, data, meta]}, {answered: ack, reply}, {gone: why}. It ends with its input.
 */

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../scripts/page/package.json", import.meta.url));
const { io } = require("socket.io-client");

const [url, token, transport] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));
const socket = io(url, { auth: { token }, transports: [transport], reconnection: false });

socket.on("connect", () => say({ connected: true }));
socket.on("connect_error", (error) => say({ refused: error.message }));
socket.on("disconnect", (why) => say({ gone: why }));
socket.onAny((...told) => say({ told }));

for await (const line of createInterface({ input: process.stdin })) {
  const { name, data, ack } = JSON.parse(line);
  if (ack === undefined) socket.emit(name, data);
  else socket.emit(name, data, (reply) => say({ answered: ack, reply }));
}
socket.close();
process.exit(0);
