/** One's own player: stats, points to spend, and past battles. */

import { h, keepingFocus, press, setText, setUsable, show, usable } from "../dom.js";
import { linkTo } from "../views.js";
import { capital, dateAndTime, explain, number, STATUS } from "../words.js";

const STATS = [
  { key: "attack", label: "Attack" },
  { key: "defense", label: "Defense" },
  { key: "max_stamina", label: "Max stamina" },
];
const PAGE = 8;

export function open(app, life) {
  const name = h("h1", { tabindex: "-1", "data-focus": true }, "Your player");
  const element = h("section", { class: "stack player", data: { testid: "player" } },
    h("div", { class: "view-head" }, name),
    h("div", { class: "player-parts" }, statPoints(app, life), pastBattles(app)));
  return { title: "Your player", element };
}

function statPoints(app, life) {
  const chosen = { attack: 0, defense: 0, max_stamina: 0 };
  const maxHp = h("dd");
  const left = h("p", { class: "hint", role: "status", data: { testid: "stat-points" } });
  const spend = h("button", { type: "submit", class: "primary", data: { testid: "allocate" } }, "Spend");
  const rows = STATS.map(({ key, label }) => statRow(key, label, (by) => {
    chosen[key] += by;
    render();
  }));
  const form = h("form", { class: "spend" }, left, spend);
  const title = h("h2", { id: "stats-title", tabindex: "-1" }, "Strength");
  const element = h("section", { class: "card stats", "aria-labelledby": "stats-title" },
    title,
    h("dl", { class: "stat-list" }, rows.map((row) => row.element), h("div", {}, h("dt", {}, "Max hp"), maxHp)),
    form);

  const sum = () => Object.values(chosen).reduce((a, b) => a + b, 0);
  const clear = () => Object.keys(chosen).forEach((key) => (chosen[key] = 0));

  const render = () => keepingFocus(element, update, () => title);

  function update() {
    const player = app.profile.get()?.player;
    show(element, Boolean(player));
    if (!player) return;
    if (sum() > player.stat_points) clear();
    const free = player.stat_points - sum();
    rows.forEach((row) => row.update(player[row.key], chosen[row.key], player.stat_points > 0, free > 0));
    setText(maxHp, number(player.max_hp));
    setText(left, `${free} ${free === 1 ? "point" : "points"} to spend`);
    setUsable(spend, sum() > 0);
    show(form, player.stat_points > 0);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    press(spend, async () => {
      const points = { ...chosen };
      clear();
      try {
        await app.connection.command("players.allocate", points);
      } catch (failure) {
        app.notice(explain(failure), "bad");
      }
    }).then(render);
  });

  life.watch(app.profile, render);
  return element;
}

function statRow(key, label, add) {
  const value = h("span", { data: { testid: `stat-${key}` } });
  const more = h("span", { class: "stat-more" });
  const minus = step("−", `One less for ${label}`, () => add(-1));
  const plus = step("+", `One more for ${label}`, () => add(1));
  plus.dataset.testid = `add-${key}`;
  const element = h("div", {}, h("dt", {}, label), h("dd", {}, value, more, minus, plus));
  const update = (amount, extra, open, free) => {
    setText(value, number(amount));
    setText(more, extra ? `+${extra}` : "");
    show(minus, open);
    show(plus, open);
    setUsable(minus, extra > 0);
    setUsable(plus, free);
  };
  return { key, element, update };
}

function step(sign, label, act) {
  const button = h("button", { type: "button", class: "step", "aria-label": label }, sign);
  button.addEventListener("click", () => usable(button) && act());
  return button;
}

function pastBattles({ connection }) {
  const list = h("ul", { class: "history" });
  const note = h("p", { class: "hint" }, "Looking…");
  const more = h("button", { type: "button", class: "quiet" }, "Show more");
  show(more, false);
  let cursor = null;

  async function load() {
    try {
      const page = await connection.call("battles.history", cursor ? { limit: PAGE, cursor } : { limit: PAGE });
      list.append(...page.items.map(entry));
      cursor = page.next ?? null;
      show(more, cursor !== null);
      setText(note, list.childElementCount ? "" : "Your battles will be listed here.");
    } catch (failure) {
      setText(note, explain(failure));
    }
  }

  more.addEventListener("click", load);
  load();
  const element = h("section", { class: "card", "aria-labelledby": "history-title", data: { testid: "history" } },
    h("h2", { id: "history-title" }, "Past battles"), list, note, more);
  return element;
}

function entry(item) {
  const { reward } = item;
  const paid = reward ? `${number(reward.gold)} gold, ${number(reward.exp)} exp` : "no reward";
  const open = reward && !reward.claimed;
  return h("li", { data: { testid: "history-entry", status: item.status } },
    h("a", { href: linkTo("battle", { battle_id: item.battle_id }) }, item.name),
    h("span", { class: "history-status" }, STATUS[item.status] ?? item.status),
    h("span", { class: "hint" }, `${capital(item.difficulty)} · ${number(item.damage)} damage · ${paid}`),
    h("span", { class: "hint" }, open ? h("b", { class: "open" }, "Reward to claim") : dateAndTime(item.ended_at)));
}
