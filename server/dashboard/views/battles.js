/** The pool: every battle that can be joined or watched. Those that are seen are live. */

import { h, press, setData, setText, setUsable, show } from "../dom.js";
import { pages } from "../parts/pages.js";
import { reduceListing } from "../state.js";
import { linkTo } from "../views.js";
import { explain, number, STATUS } from "../words.js";
import { setDifficulty } from "./difficulty.js";
import { seatMemory } from "./seat.js";

const PAGE = 24;
const LOOK_EVERY_MS = 2000;

export function open(app, life) {
  const { connection, me, profile } = app;
  const { rooms } = connection;

  const grid = h("div", { class: "pool-grid" });
  const count = h("span", { class: "count", data: { testid: "battles-count" } });
  const back = h("a", { class: "callout return", data: { testid: "return" } }, "You have a seat in a battle. Go back to it");
  const level = () => profile.get()?.player.level ?? null;
  offerReturn(seatMemory.get(me));

  const list = pages(life, {
    list: grid,
    ask: (cursor) => connection.call("battles.list", cursor ? { limit: PAGE, cursor } : { limit: PAGE }),
    keyOf: (line) => line.battle_id,
    make: (line) => battleCard(line.battle_id, join, level),
    words: { looking: "Looking for battles…", none: "No battle is on offer just now. A new one shows up here by itself." },
    live: { rooms, room: (battleId) => `listing:${battleId}`, next: reduceListing },
  });
  const news = newBattles(app, life, list);

  function offerReturn(battleId) {
    show(back, Boolean(battleId));
    if (battleId) back.href = linkTo("battle", { battle_id: battleId });
  }

  function join(battleId, button) {
    return press(button, async () => {
      try {
        await connection.command("battles.join", { battle_id: battleId });
        seatMemory.set(me, battleId);
        app.go(linkTo("battle", { battle_id: battleId }));
      } catch (failure) {
        app.notice(explain(failure), "bad");
        if (failure.reason === "seated_elsewhere") offerReturn(failure.details.battle_id);
      }
    });
  }

  function counted({ waiting, in_progress, newest_id }) {
    setText(count, `${number(waiting)} waiting, ${number(in_progress)} under way`);
    news.look(newest_id);
  }

  life.join(rooms, "battles", {
    snapshot: counted,
    event: (_, data) => counted(data),
    gone: (failure) => app.notice(explain(failure), "bad"),
  });

  let known = level();
  life.watch(profile, () => {
    if (level() === known) return;
    known = level();
    list.redraw();
  });

  const element = h(
    "section",
    { class: "stack", "aria-labelledby": "pool-title", data: { testid: "pool" } },
    h("div", { class: "view-head" },
      h("h1", { id: "pool-title", tabindex: "-1", "data-focus": true }, "Battles"), count, news.element),
    back, list.element,
  );
  return { title: "Battles", element };
}

/**
 * A hint that there are battles which the list does not show yet: they come in when it is pressed, so that
 * nothing moves under the reader's hand. They are asked for once in a while at most.
 */
function newBattles({ connection }, life, list) {
  let waiting = [];
  let planned = false;
  let due = 0;

  const button = h("button", { type: "button", class: "news", data: { testid: "new-battles" } });
  const spoken = h("p", { class: "unseen", role: "status" });
  const element = h("div", { class: "spring news-place" }, button, spoken);
  button.addEventListener("click", () => {
    const first = list.put(waiting, (line) => STATUS_OPEN.has(line.status));
    waiting = [];
    draw();
    first?.querySelector("a, button").focus({ preventScroll: true });
    scrollTo({ top: 0 });
  });
  draw();

  function draw() {
    const text = waiting.length ? `${waiting.length}${waiting.length < PAGE ? "" : "+"} new ${waiting.length === 1 ? "battle" : "battles"}` : "";
    show(button, waiting.length > 0);
    setText(button, text);
    setText(spoken, text);
  }

  const unknown = (lines) => {
    const known = new Set(list.items().map((line) => line.battle_id));
    return lines.filter((line) => !known.has(line.battle_id));
  };

  async function ask() {
    planned = false;
    due = Date.now() + LOOK_EVERY_MS;
    try {
      const { items } = await connection.call("battles.list", { limit: PAGE });
      if (life.over) return;
      waiting = unknown(items);
      // An empty list has nothing that could move.
      if (waiting.length && list.items().length === 0) {
        list.put(waiting);
        waiting = [];
      }
      draw();
    } catch (failure) {
      if (!failure.retryable) throw failure;
      // The next count asks again.
    }
  }

  /** The newest battle is this one now. */
  function look(newestId) {
    const shown = [...waiting, ...list.items()].some((line) => line.battle_id === newestId);
    if (planned || shown || newestId === null) return;
    planned = true;
    life.after(Math.max(0, due - Date.now()), ask);
  }
  return { element, look };
}

const STATUS_OPEN = new Set(["waiting", "in_progress"]);

function battleCard(battleId, join, level) {
  const name = h("h2", { id: `b-${battleId}` });
  const difficulty = h("p", { class: "difficulty" });
  const status = h("span", { class: "status" });
  const required = fact("Level");
  const players = fact("Players");
  const waves = fact("Waves");
  const joinButton = h("button", { type: "button", class: "primary", "aria-describedby": `b-${battleId}`, data: { testid: "join" } }, "Join");
  joinButton.addEventListener("click", () => join(battleId, joinButton));
  const watch = h("a", { class: "button", href: linkTo("battle", { battle_id: battleId }), "aria-describedby": `b-${battleId}`, data: { testid: "watch" } }, "Watch");

  const element = h(
    "article",
    { class: "card battle-card", "aria-labelledby": `b-${battleId}`, data: { testid: "battle-card", battleId } },
    h("div", { class: "battle-card-top" }, difficulty, status),
    name,
    h("dl", { class: "facts" }, required.element, players.element, waves.element),
    h("div", { class: "row" }, joinButton, watch),
  );

  function update(line) {
    const over = !STATUS_OPEN.has(line.status);
    setText(name, line.name);
    setData(element, "difficulty", line.difficulty);
    setData(element, "status", line.status);
    setDifficulty(difficulty, line.difficulty);
    setText(status, line.status === "in_progress" && line.wave ? `Wave ${line.wave} of ${line.waves}` : STATUS[line.status]);
    required.set(`${line.required_level}+`);
    players.set(`${line.players} / ${line.max_players}`);
    waves.set(line.waves);
    const mine = level();
    const tooLow = mine !== null && mine < line.required_level;
    const full = line.players >= line.max_players;
    setUsable(joinButton, !tooLow && !full && !over);
    setText(joinButton, over ? "Over" : tooLow ? `From level ${line.required_level}` : full ? "Full" : "Join");
    setText(watch, over ? "Look back" : "Watch");
  }
  return { element, update };
}

function fact(label) {
  const value = h("dd");
  return { element: h("div", {}, h("dt", {}, label), value), set: (text) => setText(value, text) };
}
