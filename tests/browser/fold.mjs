/**
 * What the page's reducers make of logs. Reads [{room, first, told: [[name, data, meta]]}, …] and
 * writes the last state of each.
 */

import { text } from "node:stream/consumers";

const { REDUCERS } = await import(new URL("../../server/dashboard/state.js", import.meta.url));

const logs = JSON.parse(await text(process.stdin));
const last = logs.map(({ room, first, told }) => {
  const reduce = REDUCERS[room.split(":")[0]];
  return told.reduce((state, [name, data, meta]) => reduce(state, name, data, meta), first);
});
process.stdout.write(JSON.stringify(last));
