/** The players and their levels, who is online, and in which battle. Those that are seen are live. */

import { bdi, h, setData, setText, show } from "../dom.js";
import { pages } from "../parts/pages.js";
import { segments } from "../parts/field.js";
import { reduceProfile } from "../state.js";
import { linkTo } from "../views.js";
import { number } from "../words.js";

const PAGE = 50;

export function open(app, life, { query }) {
  const { connection } = app;
  let online = query.online === "true";

  const count = h("span", { class: "count", data: { testid: "players-count" } });
  const rows = h("tbody");
  const table = h("table", { class: "table players" },
    h("caption", { class: "unseen" }, "Players, the highest level first"),
    h("thead", {}, h("tr", {}, ["Player", "Level", "Where"].map((label) => h("th", { scope: "col" }, label)))),
    rows);
  const filter = segments("Which players", [["false", "All"], ["true", "Online"]], String(online), (value) => {
    online = value === "true";
    app.remember({ online: online || null });
    list.reload();
  });

  const list = pages(life, {
    list: table,
    rows,
    ask: (cursor) => connection.call("players.list", { online, limit: PAGE, ...(cursor && { cursor }) }),
    keyOf: (profile) => profile.player_id,
    make: (profile) => playerRow(profile, app),
    words: { looking: "Looking for players…", none: "Nobody is here." },
    live: { rooms: connection.rooms, room: (playerId) => `profile:${playerId}`, next: reduceProfile },
  });

  life.watch(app.presence, (counted) => {
    setText(count, counted ? `${number(counted.online)} online of ${number(counted.registered)}` : "");
  });

  const element = h("section", { class: "stack", "aria-labelledby": "players-title", data: { testid: "players" } },
    h("div", { class: "view-head" },
      h("h1", { id: "players-title", tabindex: "-1", "data-focus": true }, "Players"), count, h("div", { class: "spring" }, filter)),
    h("div", { class: "card table-card" }, list.element));
  return { title: "Players", element };
}

function playerRow({ player_id, name }, app) {
  const level = h("td", { class: "figure-cell" });
  const word = h("span");
  const battle = h("a", {}, "In battle");
  const mine = player_id === app.me;
  const element = h("tr", { data: { testid: "player-row", mine, playerId: player_id } },
    h("th", { scope: "row" }, h("span", { class: "name-cell" }, bdi(name)), mine ? h("span", { class: "you" }, "you") : null),
    level,
    h("td", {}, h("span", { class: "where" }, h("i", { class: "dot", "aria-hidden": "true" }), word, battle)));

  function update({ level: reached, online, battle_id: battleId }) {
    const linked = Boolean(battleId) && app.may("play");
    setText(level, number(reached));
    setData(element, "online", online);
    setText(word, battleId ? (linked ? "" : "In battle") : online ? "Online" : "Away");
    show(word, !linked);
    show(battle, linked);
    if (linked) battle.href = linkTo("battle", { battle_id: battleId });
  }
  return { element, update };
}
