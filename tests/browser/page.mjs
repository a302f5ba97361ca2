/**
 * The page's own connection, rooms and reducers without a page, for as long as a test wants.
 * Usage: node page.mjs URL TOKEN TRANSPORT ROOM…
 * Each line that comes in is a request, {name, data}; each answer goes out as {asked, answer}.
 * An empty line ends it: what became of each room goes out as {rooms}.
 */

import { createRequire, register } from "node:module";
import { createInterface } from "node:readline";

const [url, token, transport, ...names] = process.argv.slice(2);
const dashboard = new URL("../../server/dashboard/", import.meta.url);
const require = createRequire(new URL("../../scripts/page/package.json", import.meta.url));

// As a browser would: paths from the root are the dashboard's.
register(
  "data:text/javascript," +
    encodeURIComponent(`export const resolve = (name, context, next) =>
      next(name.startsWith("/vendor/") ? new URL("." + name, "${dashboard}").href : name, context);`),
);

const events = new EventTarget();
Object.assign(globalThis, {
  window: globalThis,
  self: globalThis,
  document: new EventTarget(),
  location: new URL(url),
  addEventListener: events.addEventListener.bind(events),
  removeEventListener: events.removeEventListener.bind(events),
  XMLHttpRequest: require("xmlhttprequest-ssl").XMLHttpRequest,
});
if (!globalThis.navigator) globalThis.navigator = {};
Object.defineProperty(globalThis.navigator, "onLine", { value: true });
/** As where a proxy lets none through: then it goes by polling. */
class NoWebSocket {
  constructor() {
    setTimeout(() => this.onerror?.(new Error("no WebSocket")));
  }

  close() {}
}
globalThis.WebSocket = transport === "websocket" ? require("ws") : NoWebSocket;

const { Connection } = await import(new URL("connection.js", dashboard));
const { REDUCERS } = await import(new URL("state.js", dashboard));

class Session extends EventTarget {
  token = token;
  fresh = async () => token;
  refresh = async () => token;
  end(why) {
    throw new Error(why);
  }
}

const connection = new Connection(new Session());
connection.start();

const rooms = {};
for (const room of names) {
  const reduce = REDUCERS[room.split(":")[0]];
  const kept = (rooms[room] = { starts: [], applied: [], verdicts: [], gone: [], state: null });
  connection.rooms.join(room, {
    snapshot: (state) => (kept.state = state),
    entered: ({ verdict, seq }) => {
      kept.verdicts.push(verdict);
      if (verdict === "joined" || verdict === "reset") kept.starts.push(seq);
    },
    event(name, data, meta) {
      if (meta.seq !== undefined) kept.applied.push(meta.seq);
      kept.state = reduce(kept.state, name, data, meta);
    },
    gone: (failure) => kept.gone.push(failure.message),
  });
}

/** As somebody would who presses the button again: the page gives up after a while without a network. */
async function carriedOut(name, data) {
  for (;;) {
    try {
      return await connection.call(name, data);
    } catch (failure) {
      if (!failure.retryable) throw failure;
    }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "") break;
  const { name, data } = JSON.parse(line);
  carriedOut(name, data).then(
    (answer) => console.log(JSON.stringify({ asked: data.request_id, answer })),
    (failure) => console.log(JSON.stringify({ asked: data.request_id, failure: failure.message })),
  );
}
console.log(JSON.stringify({ rooms }));
connection.stop();
process.exit(0);
