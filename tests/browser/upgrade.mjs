/**
 * Clients that begin by polling and go over to WebSocket, as socket.io-client does unless told otherwise.
 * Usage: node upgrade.mjs URL TOKEN ROOM CLIENTS EVENTS
 * Each joins the room as soon as it is connected. Prints the numbers that each was told, after the
 * verdict's, once it was told so many events and has gone over.
 */

import { createRequire } from "node:module";

const require = createRequire(new URL("../../scripts/page/package.json", import.meta.url));
const { io } = require("socket.io-client");

const [url, token, room, clients, events] = process.argv.slice(2);

async function follow() {
  const socket = io(url, { auth: { token }, forceNew: true });
  const seqs = [];
  let enough;
  const done = new Promise((resolve) => (enough = resolve));
  const check = () => seqs.length > Number(events) && socket.io.engine.transport.name === "websocket" && enough();
  socket.onAny((name, data, meta) => {
    if (meta.room !== room) return;
    seqs.push(meta.seq);
    check();
  });
  await new Promise((resolve, reject) => socket.on("connect", resolve).on("connect_error", reject));
  socket.io.engine.on("upgrade", check);
  socket.emit("rooms.join", { room }, ({ data }) => seqs.unshift(data.seq));
  await done;
  socket.close();
  return seqs;
}

console.log(JSON.stringify(await Promise.all(Array.from({ length: Number(clients) }, follow))));
