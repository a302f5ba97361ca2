/** Who is connected, how each is doing, and letting one go with a reason. */

import { bdi, h, isolated, setAttribute, setText, show } from "../dom.js";
import { ask } from "../parts/dialog.js";
import { field } from "../parts/field.js";
import { pages } from "../parts/pages.js";
import { linkTo } from "../views.js";
import { bytes, explain, moment, number, ROLES, TRANSPORTS } from "../words.js";

const PAGE = 50;
const REASON_LENGTH = 200;

export function open(app, life, { query }) {
  const { connection } = app;
  const userId = query.user_id ?? null;
  let shown = null;

  const count = h("span", { class: "count", data: { testid: "connections-count" } });
  const refresh = h("button", { type: "button", data: { testid: "refresh" } }, "Refresh");
  const rows = h("ul", { class: "lines" });
  const list = pages(life, {
    list: rows,
    ask: (cursor) => connection.call("connections.list", {
      limit: PAGE,
      ...(userId && { user_id: userId }),
      ...(cursor && { cursor }),
    }),
    keyOf: (view) => view.connection_id,
    make: (view) => connectionRow(view, app, disconnect),
    words: { looking: "Looking for connections…", none: "Nobody is connected." },
  });

  async function disconnect(view) {
    const reason = field("reason", "Reason", { maxlength: REASON_LENGTH, autocomplete: "off", hint: "Shown to whoever is disconnected. They may come back." });
    const done = await ask({
      title: `Disconnect ${isolated(view.name)}?`,
      fields: { reason },
      confirm: "Disconnect",
      danger: true,
      check: (given) => ({ reason: given.reason.trim() ? null : "Say why." }),
      send: (given) => connection.command("connections.disconnect", { connection_id: view.connection_id, reason: given.reason.trim() }),
    });
    if (!done) return;
    app.notice(`${isolated(view.name)} was disconnected.`, "good");
    list.drop(view.connection_id);
  }

  /** The figures of each line are of the moment they were asked for: a change shows in the button. */
  function counted(now) {
    const { people, services, connections } = now;
    setText(count, `${number(connections)} open: ${number(people)} ${people === 1 ? "person" : "people"}, ${number(services)} ${services === 1 ? "service" : "services"}`);
    shown ??= connections;
    setText(refresh, connections === shown ? "Refresh" : "Refresh: there is news");
    setAttribute(refresh, "class", connections === shown ? null : "news");
  }

  let last = null;
  refresh.addEventListener("click", async () => {
    await list.reload();
    shown = null;
    if (last) counted(last);
  });
  const heard = (now) => counted((last = now));
  life.join(connection.rooms, "connections", {
    snapshot: heard,
    event: (_, now) => heard(now),
    gone: (failure) => setText(count, explain(failure)),
  });

  const all = h("a", { href: linkTo("connections") }, "Show all");
  show(all, userId !== null);
  const element = h("section", { class: "stack", "aria-labelledby": "connections-title", data: { testid: "connections" } },
    h("div", { class: "view-head" },
      h("h1", { id: "connections-title", tabindex: "-1", "data-focus": true }, "Connections"), count, all,
      h("div", { class: "spring" }, refresh)),
    h("div", { class: "card table-card" }, list.element));
  return { title: "Connections", element };
}

function connectionRow(view, app, disconnect) {
  const mine = view.user_id === app.me;
  const name = view.role
    ? h("a", { href: linkTo("user", { user_id: view.user_id }) }, bdi(view.name))
    : h("span", {}, bdi(view.name));
  const title = h("h2", { class: "line-name", id: `c-${view.connection_id}` }, name, mine ? h("span", { class: "you" }, "you") : null);
  const role = h("span", { class: "hint" }, ROLES[view.role] ?? "Service");
  const from = part("From");
  const carried = part("Over");
  const since = part("Since");
  const rooms = part("Rooms");
  const waits = part("Waiting");
  const traffic = part("Sent / received");
  const button = h("button", { type: "button", "aria-describedby": title.id, data: { testid: "disconnect" } }, "Disconnect…");
  const element = h("li", { class: "line", data: { testid: "connection-row", connectionId: view.connection_id, userId: view.user_id } },
    h("div", { class: "line-title" }, title, role),
    h("dl", { class: "line-parts" }, [from, carried, since, rooms, waits, traffic].map((each) => each.element)),
    button);
  let now = view;
  button.addEventListener("click", () => disconnect(now));

  function update(next) {
    now = next;
    from.set(next.address);
    carried.set(TRANSPORTS[next.transport]);
    since.set(moment(next.since_at));
    rooms.set(number(next.room_count), next.rooms.join("\n"));
    waits.set(next.queued ? `${number(next.queued)}, ${bytes(next.queued_bytes)}` : "nothing");
    traffic.set(`${number(next.sent)} / ${number(next.received)}`);
  }
  return { element, update };
}

function part(label) {
  const value = h("dd");
  const element = h("div", {}, h("dt", {}, label), value);
  const set = (text, title = null) => {
    setText(value, text);
    setAttribute(element, "title", title);
  };
  return { element, set };
}
