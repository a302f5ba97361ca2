/**
 * One battle, live. Events change the state at once; what is seen follows once a frame,
 * so that fifty blows a second cost no more than sixty drawings.
 */

import { serverNow } from "../clock.js";
import { h, keepingFocus, press, setData, setText, show } from "../dom.js";
import { spentTo, staminaAt } from "../stamina.js";
import { reduceBattle } from "../state.js";
import { linkTo } from "../views.js";
import { ALL_DOWN_MS, capital, EMPTY_MS, explain, span } from "../words.js";
import { attackPanel } from "./battle/attacks.js";
import { feedPanel } from "./battle/feed.js";
import { enemyField } from "./battle/enemies.js";
import { resultPanel } from "./battle/result.js";
import { seatList } from "./battle/seats.js";
import { battleHead } from "./battle/head.js";
import { tellEvent } from "./battle/telling.js";
import { seatMemory } from "./seat.js";

const TICK_MS = 250;
const HIDDEN_MS = 500;
const EFFECTS_KEPT = 60;

export function open(app, life, { params }) {
  const battleId = params.battle_id;
  const { connection, me, profile } = app;
  let battle = null;
  let effects = [];
  let frame = null;
  let returning = null;

  /** What a button does: a command about this battle, with its failure said. */
  const act = (name) => (button) => press(button, async () => {
    try {
      return await connection.command(name, { battle_id: battleId });
    } catch (failure) {
      app.notice(explain(failure), "bad");
      return null;
    }
  });

  const head = battleHead({ join: act("battles.join"), leave: leaveBattle });
  const field = enemyField(() => draw());
  const attacks = attackPanel({ strike, revive: act("battles.revive") });
  const seats = seatList(me);
  const feed = feedPanel(say);
  const result = resultPanel(me, claim);
  const alarm = h("p", { class: "callout callout-bad alarm", role: "alert", data: { testid: "alarm" } });
  const quiet = h("p", { class: "empty" }, "Looking at the field…");
  show(alarm, false);
  show(field.element, false);

  const body = h(
    "div",
    { class: "battle-body" },
    h("div", { class: "battle-main" }, alarm, result.element, quiet, field.element, attacks.element),
    // The list that grows comes last: whoever joins moves nothing.
    h("div", { class: "battle-side" }, feed.element, seats.element),
  );
  const element = h("article", { class: "battle", data: { testid: "battle", battleId } }, head.element, body);

  life.join(connection.rooms, `battle:${battleId}`, {
    snapshot(state) {
      battle = state;
      effects = [];
      feed.reset(state.chat);
      schedule();
    },
    event(name, data, meta) {
      const before = battle;
      battle = reduceBattle(battle, name, data, meta);
      if (name === "battles.struck" && data.player_id === me) spend(data.stamina);
      if (effects.length < EFFECTS_KEPT && !document.hidden) effects.push({ name, data });
      tellEvent(feed, name, data, meta, before, me);
      schedule();
    },
    gone: showStored,
  });

  const mySeat = () => battle?.seats[me] ?? null;
  const seated = () => Boolean(mySeat()?.seated);
  const over = () => battle?.status === "completed" || battle?.status === "abandoned";
  const mine = () => {
    const view = profile.get();
    return view ? { ...view.player, stamina: staminaAt(view.stamina, serverNow()).amount } : null;
  };

  function schedule() {
    if (frame !== null || life.over) return;
    // No frames come while the tab is hidden: the state goes on, the page follows slowly.
    frame = document.hidden ? { timer: setTimeout(draw, HIDDEN_MS) } : { request: requestAnimationFrame(draw) };
  }

  function unschedule() {
    if (frame?.timer !== undefined) clearTimeout(frame.timer);
    if (frame?.request !== undefined) cancelAnimationFrame(frame.request);
    frame = null;
  }

  function draw() {
    unschedule();
    if (!battle || life.over) return;
    const seat = mySeat();
    const view = {
      battle,
      seat,
      seated: seated(),
      over: over(),
      live: connection.live,
      player: mine(),
      target: null,
    };
    setData(element, "status", battle.status);
    setData(element, "difficulty", battle.difficulty);
    setData(element, "role", view.seated ? "seated" : "spectator");
    keepingFocus(element, () => update(view), () => refuge(view));
    play(effects);
    effects = [];
    remember(view);
    comeBack(view);
    app.title(battle.name);
    tick();
  }

  function showSide(shown) {
    show(feed.element, shown);
    show(seats.element, shown);
  }

  function update(view) {
    head.update(view);
    showSide(true);
    show(quiet, battle.enemies.length === 0 && !view.over);
    setText(quiet, "The field is quiet. Whoever takes the first seat starts the battle.");
    field.update(view);
    view.target = field.target();
    attacks.update(view);
    seats.update(view);
    feed.update(view);
    result.update(view);
  }

  /** Where the focus goes when what had it is not there any more: to what can be done next. */
  function refuge(view) {
    if (view.over) return result.next();
    return (view.seated && (attacks.next() ?? field.next())) || head.title;
  }

  function play(list) {
    for (const { name, data } of list) {
      if (name === "battles.struck") field.blow(data, data.player_id === me);
      if (name === "battles.enemies_struck") seats.blows(data.hits);
      if (name === "battles.wave_started") head.wave(data.wave, battle.waves);
    }
  }

  function tick() {
    if (!battle || document.hidden) return;
    const now = serverNow();
    const view = { battle, seat: mySeat(), seated: seated(), over: over() };
    head.tick(view, now);
    attacks.tick(view, mine(), now);
    const lost = battle.all_down_since ? Date.parse(battle.all_down_since) + ALL_DOWN_MS - now : null;
    const deserted = battle.empty_since ? Date.parse(battle.empty_since) + EMPTY_MS - now : null;
    show(alarm, !view.over && (lost !== null || deserted !== null));
    // Words that change each second would be read aloud each second: the figure is for the eye only.
    if (lost !== null) warn("Everyone is down. Someone has to get up, or the battle is lost", lost);
    else if (deserted !== null) warn("Nobody has a seat. Without one the battle is given up", deserted);
  }

  function warn(text, ms) {
    if (alarm.dataset.text !== text) {
      alarm.dataset.text = text;
      alarm.replaceChildren(text, h("span", { class: "alarm-time", "aria-hidden": "true" }));
    }
    setText(alarm.lastElementChild, ` in ${span(ms)}`);
  }

  function spend(left) {
    const view = profile.get();
    if (view) profile.set({ ...view, stamina: spentTo(view.stamina, left, serverNow()) });
  }

  async function strike(kind) {
    const enemy = field.target();
    if (!enemy) return;
    try {
      const blow = await connection.command("battles.attack", { battle_id: battleId, enemy_id: enemy.enemy_id, kind });
      const crit = blow.critical ? "Critical hit! " : "";
      attacks.say(`${crit}${blow.damage} damage to ${capital(enemy.type)}, ${blow.enemy_hp} hp left.`);
    } catch (failure) {
      // Somebody else was faster: no news, the field shows it.
      if (failure.reason !== "enemy_defeated") attacks.refuse(explain(failure));
    }
  }

  async function say(text) {
    await connection.command("battles.chat", { battle_id: battleId, text });
  }

  async function claim(button) {
    const claimed = await act("battles.claim")(button);
    if (claimed) result.claimed(claimed);
  }

  async function leaveBattle(button) {
    if (seated() && !over()) {
      const done = await act("battles.leave")(button);
      if (!done) return;
      seatMemory.clear(me, battleId);
    }
    app.go(linkTo("battles"));
  }

  function remember(view) {
    if (view.seated && !view.over) seatMemory.set(me, battleId);
    else seatMemory.clear(me, battleId);
  }

  /** One's own seat is marked away, and yet here we are: take it again. Asked once for each absence. */
  function comeBack({ seat, live, over: ended }) {
    if (!seat?.seated || !seat.away_at || !live || ended || returning === seat.away_at) return;
    returning = seat.away_at;
    connection.command("battles.join", { battle_id: battleId }).catch((failure) => app.notice(explain(failure), "bad"));
  }

  /** The room is closed to us: what is left of the battle can still be read. */
  async function showStored(failure) {
    try {
      battle = await connection.call("battles.get", { battle_id: battleId });
      feed.reset(battle.chat);
      schedule();
    } catch {
      if (failure.code === "not_found") setText(head.title, "No such battle");
      setText(quiet, explain(failure));
      show(quiet, true);
      // Where no battle was ever shown, there is none to talk in.
      showSide(battle !== null);
    }
  }

  function onKey(event) {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest?.("input, textarea, select")) return;
    if (attacks.press(event.key)) event.preventDefault();
  }

  life.listen(document, "keydown", onKey);
  life.watch(connection.status, schedule);
  life.watch(profile, schedule);
  life.every(TICK_MS, tick);
  life.add(unschedule);
  return { title: "Battle", element };
}
