/** How the page joins rooms and goes on after a drop. Run: node --test tests/browser/ */

import assert from "node:assert/strict";
import { test } from "node:test";

const { Rooms } = await import(new URL("../../server/dashboard/rooms.js", import.meta.url));

/** Rooms against a server that answers each join with what `verdicts` gives next. */
function table(...verdicts) {
  const calls = [];
  const seen = [];
  const rooms = new Rooms(async (name, data, accept) => {
    calls.push([name, data]);
    const verdict = name === "rooms.join" ? verdicts.shift() : {};
    if (verdict instanceof Error) throw verdict;
    await null;
    accept(verdict);
    return verdict;
  });
  const handlers = {
    snapshot: (state) => seen.push(["snapshot", state]),
    event: (name, data, meta) => seen.push([name, meta.seq ?? null]),
    gone: (failure) => seen.push(["gone", failure.message]),
  };
  const send = (seq, epoch = "e") => rooms.receive("x.happened", {}, { room: "r", seq, epoch });
  return { rooms, calls, seen, handlers, send, settled: () => new Promise(setImmediate) };
}

const joined = (seq) => ({ room: "r", verdict: "joined", epoch: "e", seq, snapshot: { at: seq } });

test("a snapshot, then events in order; old ones and ones before the verdict are ignored", async () => {
  const { rooms, handlers, send, seen, settled } = table(joined(5));
  rooms.join("r", handlers);
  send(6);
  await settled();
  [4, 5, 6, 6, 7].forEach((seq) => send(seq));
  rooms.receive("x.latest", {}, { room: "r" });
  rooms.receive("x.happened", {}, { room: "elsewhere", seq: 8, epoch: "e" });
  assert.deepEqual(seen, [["snapshot", { at: 5 }], ["x.happened", 6], ["x.happened", 7], ["x.latest", null]]);
});

test("after a drop it asks for what came after the last event seen, and takes it once", async () => {
  const { rooms, handlers, send, seen, calls, settled } = table(joined(5), { verdict: "gap_filled", epoch: "e", seq: 8, missed: 2 });
  rooms.join("r", handlers);
  await settled();
  send(6);
  const found = await rooms.resume();
  assert.deepEqual(calls.at(-1), ["rooms.join", { room: "r", since: { epoch: "e", seq: 6 } }]);
  assert.deepEqual(found, { verdict: "gap_filled", missed: 2 });
  [6, 7, 8, 9].forEach((seq) => send(seq));
  assert.deepEqual(seen.slice(1).map(([, seq]) => seq), [6, 7, 8, 9]);
});

test("resumed keeps the state; reset replaces it", async () => {
  const reset = { verdict: "reset", epoch: "f", seq: 2, snapshot: { at: 2 }, reason: "epoch_changed" };
  const { rooms, handlers, send, seen, settled } = table(joined(5), { verdict: "resumed", epoch: "e", seq: 5 }, reset);
  rooms.join("r", handlers);
  await settled();
  assert.deepEqual(await rooms.resume(), { verdict: "resumed", missed: 0 });
  assert.deepEqual(await rooms.resume(), { verdict: "reset", missed: 0, reason: "epoch_changed" });
  send(3, "f");
  assert.deepEqual(seen, [["snapshot", { at: 5 }], ["snapshot", { at: 2 }], ["x.happened", 3]]);
});

test("a hole is not stepped over: the room is joined again from before it", async () => {
  const { rooms, handlers, send, seen, calls, settled } = table(joined(5), { verdict: "gap_filled", epoch: "e", seq: 8, missed: 3 });
  rooms.join("r", handlers);
  await settled();
  send(8);
  await settled();
  assert.deepEqual(calls.at(-1)[1].since, { epoch: "e", seq: 5 });
  [6, 7, 8].forEach((seq) => send(seq));
  assert.deepEqual(seen.slice(1).map(([, seq]) => seq), [6, 7, 8]);
});

test("a room that was left hears nothing more, even where the verdict is under way", async () => {
  const { rooms, handlers, send, seen, calls, settled } = table(joined(5));
  const leave = rooms.join("r", handlers);
  leave();
  await settled();
  send(6);
  assert.deepEqual(seen, []);
  assert.deepEqual(calls.map(([name]) => name), ["rooms.join", "rooms.leave"]);
  assert.equal(await rooms.resume(), null);
});

test("a room that may not be joined says so", async () => {
  const { rooms, handlers, seen, settled } = table(new Error("no such battle"));
  rooms.join("r", handlers);
  await settled();
  assert.deepEqual(seen, [["gone", "no such battle"]]);
});

test("what keeps it out for now is asked again, from where it is by then", async () => {
  const busy = Object.assign(new Error("busy"), { retryable: true });
  const { rooms, handlers, send, seen, calls, settled } = table(joined(5), busy, busy, { verdict: "resumed", epoch: "e", seq: 6 });
  rooms.join("r", handlers);
  await settled();
  const resumed = rooms.resume();
  send(6);
  assert.deepEqual(await resumed, { verdict: "resumed", missed: 0 });
  assert.deepEqual(calls.map(([, { since }]) => since?.seq), [undefined, 5, 6, 6]);
  assert.deepEqual(seen, [["snapshot", { at: 5 }], ["x.happened", 6]]);
});

test("a room that is forgotten is not asked for again", async () => {
  const busy = Object.assign(new Error("busy"), { retryable: true });
  const { rooms, handlers, seen, calls, settled } = table(busy, busy, busy);
  rooms.join("r", handlers);
  rooms.forget();
  await settled();
  assert.equal(calls.length, 1);
  assert.deepEqual(seen, []);
});

test("a room that is left and joined at once is left first, whatever the network does with time", async () => {
  const { rooms, handlers, seen, calls, settled } = table(joined(5), joined(6));
  rooms.join("r", handlers)();
  rooms.join("r", handlers);
  await settled();
  assert.deepEqual(calls.map(([name]) => name), ["rooms.join", "rooms.leave", "rooms.join"]);
  assert.deepEqual(seen, [["snapshot", { at: 6 }]]);
});
