/** The page's pure parts. Run: node --test tests/browser/ */

import assert from "node:assert/strict";
import { test } from "node:test";

const page = new URL("../../server/dashboard/", import.meta.url);
const { uuid7 } = await import(new URL("ids.js", page));
const { CHAT_KEPT, reduceBattle, reduceListing, reducePlayer } = await import(new URL("state.js", page));
const { spentTo, staminaAt } = await import(new URL("stamina.js", page));

const AT = "2026-01-01T00:00:00Z";
const LATER = "2026-01-01T00:00:10Z";

const seat = (player_id, more = {}) => ({
  player_id,
  name: player_id.toUpperCase(),
  level: 1,
  attack: 20,
  defense: 20,
  hp: 100,
  max_hp: 100,
  damage: 0,
  seated: true,
  away_at: null,
  down_at: null,
  reward: null,
  ...more,
});

const enemy = (enemy_id, more = {}) => ({
  enemy_id,
  type: "goblin",
  level: 1,
  hp: 150,
  max_hp: 150,
  attack: 12,
  defense: 5,
  ...more,
});

const battle = (more = {}) => ({
  battle_id: "b",
  name: "The ford",
  difficulty: "easy",
  required_level: 1,
  max_players: 10,
  waves: 1,
  status: "in_progress",
  created_at: AT,
  seq: 4,
  wave: 1,
  enemies: [enemy(1), enemy(2)],
  seats: { a: seat("a"), b: seat("b") },
  chat: [],
  started_at: AT,
  ended_at: null,
  next_hit_at: LATER,
  empty_since: null,
  all_down_since: null,
  ...more,
});

function deepFreeze(value) {
  if (value && typeof value === "object") Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}

/** Applies events to a battle that can't be changed in place. */
const after = (start, ...events) =>
  events.reduce(
    (state, [name, data], i) => deepFreeze(reduceBattle(state, `battles.${name}`, data, { seq: start.seq + 1 + i })),
    deepFreeze(start),
  );

test("request ids are UUIDv7, unique, and in the order of time", () => {
  const ids = Array.from({ length: 500 }, () => uuid7());
  assert.equal(new Set(ids).size, 500);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(uuid7(0x0123456789ab).slice(0, 13), "01234567-89ab");
  assert.ok(uuid7(1000) < uuid7(1001));
});

test("a battle from its creation to the reward", () => {
  const created = battle({ status: "waiting", seq: 1, wave: 0, enemies: [], seats: {}, started_at: null, next_hit_at: null });
  const end = after(
    created,
    ["player_joined", { seat: seat("a"), at: AT }],
    ["started", { at: AT, next_hit_at: LATER }],
    ["wave_started", { wave: 1, enemies: [enemy(1, { hp: 30 })] }],
    ["struck", { player_id: "a", enemy_id: 1, kind: "normal", damage: 20, critical: false, enemy_hp: 10, stamina: 90 }],
    ["struck", { player_id: "a", enemy_id: 1, kind: "quick", damage: 14, critical: false, enemy_hp: 0, stamina: 85 }],
    ["enemy_defeated", { enemy_id: 1, player_id: "a" }],
    ["completed", { rewards: { a: { gold: 120, exp: 60, claimed: false } }, at: LATER }],
    ["reward_claimed", { player_id: "a", gold: 120, exp: 60 }],
  );
  assert.equal(end.status, "completed");
  assert.equal(end.ended_at, LATER);
  assert.equal(end.next_hit_at, null);
  assert.equal(end.seq, 9);
  assert.equal(end.seats.a.damage, 34);
  assert.equal(end.enemies[0].hp, 0);
  assert.deepEqual(end.seats.a.reward, { gold: 120, exp: 60, claimed: true });
});

test("what an event leaves alone stays the same object", () => {
  const before = battle();
  const next = after(before, ["struck", { player_id: "a", enemy_id: 1, damage: 5, enemy_hp: 145 }]);
  assert.equal(next.enemies[1], before.enemies[1]);
  assert.equal(next.seats.b, before.seats.b);
  assert.notEqual(next.seats.a, before.seats.a);
});

test("enemies' blows: hp left and the next moment, also for two on one player", () => {
  const next = after(battle(), [
    "enemies_struck",
    {
      hits: [
        { enemy_id: 1, player_id: "a", damage: 10, hp: 90 },
        { enemy_id: 2, player_id: "a", damage: 10, hp: 80 },
      ],
      next_hit_at: "2026-01-01T00:00:20Z",
    },
  ]);
  assert.equal(next.seats.a.hp, 80);
  assert.equal(next.next_hit_at, "2026-01-01T00:00:20Z");
});

test("all down: since when, and over once one is up or joins", () => {
  const down = after(battle(), ["player_down", { player_id: "a", at: AT }]);
  assert.equal(down.all_down_since, null);
  const all = after(down, ["player_down", { player_id: "b", at: LATER }]);
  assert.equal(all.all_down_since, LATER);
  assert.equal(all.seats.b.hp, 0);
  assert.equal(after(all, ["player_revived", { player_id: "a", hp: 100 }]).all_down_since, null);
  assert.equal(after(all, ["player_joined", { seat: seat("c"), at: LATER }]).all_down_since, null);
});

test("leaving: the last who stands leaves the rest down; nobody seated leaves the battle empty", () => {
  const one = after(battle(), ["player_down", { player_id: "a", at: AT }], ["player_left", { player_id: "b", reason: "left", at: LATER }]);
  assert.equal(one.all_down_since, LATER);
  assert.equal(one.empty_since, null);
  const none = after(one, ["player_left", { player_id: "a", reason: "dropped", at: "2026-01-01T00:00:30Z" }]);
  assert.equal(none.empty_since, "2026-01-01T00:00:30Z");
  assert.equal(none.all_down_since, null);
  const back = after(none, ["player_joined", { seat: seat("a", { damage: 7 }), at: LATER }]);
  assert.equal(back.empty_since, null);
  assert.equal(back.seats.a.damage, 7);
  const stillDown = after(none, ["player_joined", { seat: seat("a", { hp: 0, down_at: AT }), at: LATER }]);
  assert.equal(stillDown.all_down_since, LATER);
});

test("the end clears what counted towards it; who earned nothing has no reward", () => {
  const down = battle({ all_down_since: AT });
  const lost = after(down, ["abandoned", { reason: "all_down", at: LATER }]);
  assert.deepEqual([lost.status, lost.all_down_since, lost.next_hit_at, lost.ended_at], ["abandoned", null, null, LATER]);
  const won = after(battle(), ["completed", { rewards: { a: { gold: 1, exp: 2, claimed: false } }, at: LATER }]);
  assert.equal(won.seats.b.reward, null);
});

test("away and back", () => {
  const away = after(battle(), ["player_away", { player_id: "a", at: AT }]);
  assert.equal(away.seats.a.away_at, AT);
  assert.equal(after(away, ["player_returned", { player_id: "a" }]).seats.a.away_at, null);
});

test("chat keeps its last lines", () => {
  const lines = Array.from({ length: CHAT_KEPT + 5 }, (_, i) => [
    "chat_said",
    { line: { player_id: "a", name: "A", text: `<b>${i}</b>`, at: AT } },
  ]);
  const { chat } = after(battle(), ...lines);
  assert.equal(chat.length, CHAT_KEPT);
  assert.equal(chat.at(-1).text, `<b>${CHAT_KEPT + 4}</b>`);
});

test("an event that is not known, or about somebody who is not there, changes nothing but seq", () => {
  const before = battle();
  const next = after(before, ["phase_changed", { phase: 2 }], ["player_away", { player_id: "z", at: AT }]);
  assert.deepEqual(next, { ...before, seq: 6 });
});

test("listing: each line stands in the place of the one before", () => {
  const line = deepFreeze({ battle_id: "1", players: 0 });
  assert.deepEqual(reduceListing(line, "battles.listed", { battle: { battle_id: "1", players: 4 } }), { battle_id: "1", players: 4 });
  assert.equal(reduceListing(line, "battles.praised", {}), line);
});

test("player: each event takes its own half", () => {
  const view = { player: { level: 1 }, stamina: { amount: 5 } };
  assert.deepEqual(reducePlayer(view, "players.changed", { why: "reward", player: { level: 2 } }), {
    player: { level: 2 },
    stamina: { amount: 5 },
  });
  assert.deepEqual(reducePlayer(view, "players.stamina", { player_id: "a", stamina: { amount: 9 } }).stamina, { amount: 9 });
});

test("stamina grows by steps, never above its maximum", () => {
  const start = Date.parse(AT);
  const stamina = { amount: 75, maximum: 100, at: AT, next_at: LATER, regen: 10, interval_s: 10 };
  assert.deepEqual(staminaAt(stamina, start + 5000), { amount: 75, toward: 0.5, nextInMs: 5000 });
  assert.equal(staminaAt(stamina, start + 10_000).amount, 85);
  assert.equal(staminaAt(stamina, start + 29_999).amount, 95);
  assert.deepEqual(staminaAt(stamina, start + 30_000), { amount: 100, toward: 0, nextInMs: null });
  assert.equal(staminaAt({ ...stamina, amount: 100, next_at: null }, start).nextInMs, null);
});

test("spending leaves the interval that is under way, and starts one where it was full", () => {
  const start = Date.parse(AT);
  const stamina = { amount: 75, maximum: 100, at: AT, next_at: LATER, regen: 10, interval_s: 10 };
  assert.equal(staminaAt(spentTo(stamina, 65, start + 4000), start + 10_000).amount, 75);
  const full = { ...stamina, amount: 100, next_at: null };
  const spent = spentTo(full, 90, start + 4000);
  assert.equal(staminaAt(spent, start + 13_999).amount, 90);
  assert.equal(staminaAt(spent, start + 14_000).amount, 100);
});
