/**
 * A player on socket.io-client. Usage: node player.mjs URL TOKEN BATTLE_ID
 * Takes a seat, strikes until the battle is over, claims; prints each event of the battle as a line.
 */

import { createRequire } from "node:module";

const require = createRequire(new URL("../../scripts/page/package.json", import.meta.url));
const { io } = require("socket.io-client");

const [url, token, battleId] = process.argv.slice(2);
const socket = io(url, { auth: { token }, transports: ["websocket"] });
const call = (name, data) => socket.timeout(10_000).emitWithAck(name, data);

async function patiently(name, data) {
  for (;;) {
    const answer = await call(name, data);
    if (answer.ok || answer.error.code !== "rate_limited") return answer;
    await new Promise((resolve) => setTimeout(resolve, answer.error.retry_after_ms));
  }
}

async function sure(name, data) {
  const answer = await patiently(name, data);
  if (!answer.ok) throw new Error(`${name}: ${JSON.stringify(answer.error)}`);
  return answer.data;
}

let claims = 0;
let allClaimed;
const ended = new Promise((resolve) => (allClaimed = resolve));
socket.onAny((name, data, meta) => {
  if (meta.room !== `battle:${battleId}`) return;
  console.log(JSON.stringify([meta.seq, name, data]));
  if (name === "battles.reward_claimed" && ++claims === 3) allClaimed();
});

await new Promise((resolve, reject) => socket.on("connect", resolve).on("connect_error", reject));
await sure("rooms.join", { room: `battle:${battleId}` });
await sure("battles.join", { battle_id: battleId });
for (;;) {
  const battle = await sure("battles.get", { battle_id: battleId });
  if (Object.keys(battle.seats).length < 3) continue; // nobody begins before all are there
  if (battle.status !== "in_progress") break;
  const enemy = battle.enemies.find(({ hp }) => hp > 0);
  await patiently("battles.attack", { battle_id: battleId, enemy_id: enemy.enemy_id, kind: "quick" });
}
await sure("battles.claim", { battle_id: battleId });
await ended;
socket.close();
