/** The pool: every battle that can be joined or watched, as it changes. */

import { h, keyed, press, setData, setText, setUsable, show } from "../dom.js";
import { reducePool } from "../state.js";
import { linkTo } from "../views.js";
import { explain, STATUS } from "../words.js";
import { setDifficulty } from "./difficulty.js";
import { seatMemory } from "./seat.js";

export function open(app, life) {
  const { connection, me, profile } = app;
  let pool = null;

  const grid = h("div", { class: "pool-grid" });
  const quiet = h("p", { class: "empty", data: { testid: "pool-empty" } }, "Looking for battles…");
  const count = h("span", { class: "count" });
  const back = h("a", { class: "callout return", data: { testid: "return" } }, "You have a seat in a battle. Go back to it");
  offerReturn(seatMemory.get(me));

  const cards = keyed(grid, (battle) => battle.battle_id, (battle) => battleCard(battle.battle_id, join, level));

  function offerReturn(battleId) {
    show(back, Boolean(battleId));
    if (battleId) back.href = linkTo("battle", { battle_id: battleId });
  }

  function level() {
    return profile.get()?.player.level ?? null;
  }

  const join = (battleId, button) => press(button, async () => {
    try {
      await connection.command("battles.join", { battle_id: battleId });
      seatMemory.set(me, battleId);
      app.go(linkTo("battle", { battle_id: battleId }));
    } catch (failure) {
      app.notice(explain(failure), "bad");
      if (failure.reason === "seated_elsewhere") offerReturn(failure.message.match(/[0-9a-f-]{36}/)?.[0]);
    }
  });

  function render() {
    if (!pool) return;
    cards.render(pool.battles);
    setText(count, pool.battles.length);
    show(quiet, pool.battles.length === 0);
    setText(quiet, "No battle is on offer just now. A new one shows up here by itself.");
  }

  life.join(connection.rooms, "battles", {
    snapshot(state) {
      pool = state;
      render();
    },
    event(name, data) {
      pool = reducePool(pool, name, data);
      render();
    },
    gone: (failure) => setText(quiet, explain(failure)),
  });

  let known = null;
  life.watch(profile, (view) => {
    if ((view?.player.level ?? null) === known) return;
    known = view.player.level;
    for (const battle of pool?.battles ?? []) cards.get(battle.battle_id).update(battle);
  });

  const element = h(
    "section",
    { class: "stack", "aria-labelledby": "pool-title", data: { testid: "pool" } },
    h("div", { class: "view-head" }, h("h1", { id: "pool-title", tabindex: "-1", "data-focus": true }, "Battles"), count),
    back, quiet, grid,
  );
  return { title: "Battles", element };
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
  const watch = h("a", { class: "button", href: linkTo("battle", { battle_id: battleId }), "aria-describedby": `b-${battleId}`, data: { testid: "watch" } }, "Watch");

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
