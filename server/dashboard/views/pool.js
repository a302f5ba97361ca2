/** The pool: the newest battles that can be joined or watched, as they change. */

import { h, keyed, setAttribute, setData, setText, setUsable, show, usable } from "../dom.js";
import { reduceListing } from "../state.js";
import { explain, STATUS } from "../words.js";
import { setDifficulty } from "./difficulty.js";
import { playerPanel } from "./player.js";
import { seatMemory } from "./seat.js";

const SHOWN = 20;
const OPEN = ["waiting", "in_progress"];

export function poolView(app) {
  const { connection, me, profile } = app;
  let order = null;
  const shown = new Map();
  let closed = false;

  const grid = h("div", { class: "pool-grid" });
  const quiet = h("p", { class: "empty", data: { testid: "pool-empty" } }, "Looking for battles…");
  const count = h("span", { class: "count" });
  const back = h("a", { class: "return", data: { testid: "return" } }, "You have a seat in a battle. Go back to it");
  offerReturn(seatMemory.get(me));

  const cards = keyed(grid, (battle) => battle.battle_id, (battle) => battleCard(battle.battle_id, join, level));
  const panel = app.mayPlay ? playerPanel(app) : null;

  function offerReturn(battleId) {
    show(back, Boolean(battleId));
    if (battleId) back.href = `#/battle/${battleId}`;
  }

  function level() {
    return profile.get()?.player.level ?? null;
  }

  async function join(battleId, button) {
    if (!usable(button) || button.getAttribute("aria-busy")) return;
    setAttribute(button, "aria-busy", "true");
    try {
      await connection.command("battles.join", { battle_id: battleId });
      seatMemory.set(me, battleId);
      app.go(`#/battle/${battleId}`);
    } catch (failure) {
      app.notice(explain(failure), "bad");
      if (failure.reason === "seated_elsewhere") offerReturn(failure.message.match(/[0-9a-f-]{36}/)?.[0]);
    } finally {
      setAttribute(button, "aria-busy", null);
    }
  }

  function battles() {
    return (order ?? []).map((battleId) => shown.get(battleId)?.line).filter((line) => OPEN.includes(line?.status));
  }

  function render() {
    if (!order) return;
    const lines = battles();
    cards.render(lines);
    setText(count, lines.length);
    show(quiet, lines.length === 0);
    setText(quiet, "No battle is on offer just now. A new one shows up here by itself.");
  }

  /** Only what is shown is subscribed: it costs the same however many battles there are. */
  async function refresh() {
    let items;
    try {
      ({ items } = await connection.call("battles.list", { limit: SHOWN }));
    } catch (failure) {
      if (!order) setText(quiet, explain(failure));
      return;
    }
    if (closed) return;
    order = items.map((line) => line.battle_id);
    for (const battleId of shown.keys()) if (!order.includes(battleId)) leave(battleId);
    for (const line of items) if (!shown.has(line.battle_id)) watchLine(line);
    render();
  }

  function watchLine(line) {
    const row = { line };
    shown.set(line.battle_id, row);
    const take = (next) => {
      row.line = next;
      render();
    };
    row.leave = connection.rooms.join(`listing:${line.battle_id}`, {
      snapshot: take,
      event: (name, data) => take(reduceListing(row.line, name, data)),
    });
  }

  function leave(battleId) {
    shown.get(battleId).leave();
    shown.delete(battleId);
  }

  const leavePool = app.mayPlay
    ? connection.rooms.join("battles", {
        snapshot: refresh,
        event: refresh,
        gone: (failure) => setText(quiet, explain(failure)),
      })
    : () => {};
  if (!app.mayPlay) setText(quiet, "This account does not play.");

  let known = null;
  const unwatch = profile.watch((view) => {
    if ((view?.player.level ?? null) === known) return;
    known = view.player.level;
    for (const battle of battles()) cards.get(battle.battle_id).update(battle);
  });

  const element = h(
    "div",
    { class: "pool" },
    h("section", { class: "pool-main", "aria-labelledby": "pool-title", data: { testid: "pool" } },
      h("div", { class: "pool-head" }, h("h1", { id: "pool-title", tabindex: "-1", "data-focus": true }, "Battles"), count),
      back, quiet, grid),
    panel?.element,
  );
  return {
    title: "Battles",
    element,
    close() {
      closed = true;
      leavePool();
      for (const battleId of shown.keys()) leave(battleId);
      unwatch();
      panel?.close();
    },
  };
}

function battleCard(battleId, join, level) {
  const name = h("h2", { id: `b-${battleId}` });
  const difficulty = h("p", { class: "difficulty" });
  const status = h("span", { class: "status" });
  const required = fact("Level");
  const players = fact("Players");
  const waves = fact("Waves");
  const joinButton = h("button", { type: "button", class: "primary", "aria-describedby": `b-${battleId}`, data: { testid: "join" } }, "Join");
  joinButton.addEventListener("click", () => join(battleId, joinButton));
  const watch = h("a", { class: "button", href: `#/battle/${battleId}`, "aria-describedby": `b-${battleId}`, data: { testid: "watch" } }, "Watch");

  const element = h(
    "article",
    { class: "card battle-card", "aria-labelledby": `b-${battleId}`, data: { testid: "battle-card", battleId } },
    h("div", { class: "battle-card-top" }, difficulty, status),
    name,
    h("dl", { class: "facts" }, required.element, players.element, waves.element),
    h("div", { class: "row" }, joinButton, watch),
  );

  function update(battle) {
    setText(name, battle.name);
    setData(element, "difficulty", battle.difficulty);
    setData(element, "status", battle.status);
    setDifficulty(difficulty, battle.difficulty);
    setText(status, battle.status === "in_progress" && battle.wave ? `Wave ${battle.wave} of ${battle.waves}` : STATUS[battle.status]);
    required.set(`${battle.required_level}+`);
    players.set(`${battle.players} / ${battle.max_players}`);
    waves.set(battle.waves);
    const mine = level();
    const tooLow = mine !== null && mine < battle.required_level;
    const full = battle.players >= battle.max_players;
    setUsable(joinButton, !tooLow && !full);
    setText(joinButton, tooLow ? `From level ${battle.required_level}` : full ? "Full" : "Join");
  }
  return { element, update };
}

function fact(label) {
  const value = h("dd");
  return { element: h("div", {}, h("dt", {}, label), value), set: (text) => setText(value, text) };
}
