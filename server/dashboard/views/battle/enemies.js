/** The enemies, one of whom is the target: a group of radios, by click, arrow keys, Home and End. */

import { bar, h, keyed, setAttribute, setData, setText, show } from "../../dom.js";
import { capital, number } from "../../words.js";
import { emblem } from "../emblems.js";
import { flash, float } from "./floats.js";

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** `chosen` is called when the reader has taken another target. */
export function enemyField(chosen) {
  let enemies = [];
  let selected = null;
  let acting = false;

  const element = h("div", { class: "enemies", role: "radiogroup", "aria-label": "Enemies", data: { testid: "enemies" } });
  const cards = keyed(element, (enemy) => enemy.enemy_id, (enemy) => enemyCard(enemy, select));

  const living = () => enemies.filter((enemy) => enemy.hp > 0);
  const target = () => enemies.find((enemy) => enemy.enemy_id === selected && enemy.hp > 0) ?? null;

  function select(enemyId) {
    const enemy = enemies.find((each) => each.enemy_id === enemyId);
    if (!acting || !enemy || enemy.hp <= 0) return;
    selected = enemyId;
    chosen();
  }

  element.addEventListener("keydown", (event) => {
    const candidates = living();
    const at = candidates.findIndex((enemy) => enemy.enemy_id === selected);
    let to = null;
    if (event.key in STEPS) to = candidates[(at + STEPS[event.key] + candidates.length) % candidates.length];
    if (event.key === "Home") to = candidates[0];
    if (event.key === "End") to = candidates.at(-1);
    if (!to) return;
    event.preventDefault();
    select(to.enemy_id);
    cards.get(to.enemy_id)?.element.focus();
  });

  function update({ battle, seated, over }) {
    acting = seated && !over;
    const held = element.contains(document.activeElement);
    enemies = battle.enemies;
    show(element, enemies.length > 0 && !over);
    if (!target()) selected = nextAfter(enemies, selected);
    cards.render(enemies);
    for (const enemy of enemies) cards.get(enemy.enemy_id).mark(acting && enemy.enemy_id === selected, acting);
    // The target fell while it had the focus: the focus goes on with the target.
    if (held && acting && document.activeElement?.dataset.enemyId !== String(selected)) {
      cards.get(selected)?.element.focus({ preventScroll: true });
    }
  }

  /** Shows a blow. */
  function blow({ enemy_id, damage, critical }, mine) {
    const card = cards.get(enemy_id);
    if (!card) return;
    flash(card.emblem, "struck");
    float(card.floats, critical ? `${number(damage)}!` : number(damage), [critical && "crit", mine && "mine"].filter(Boolean));
  }

  /** What to focus on: the target. */
  const next = () => cards.get(selected)?.element ?? null;

  return { element, update, blow, target, next };
}

/** The first living enemy after the one that was selected, in a ring. */
function nextAfter(enemies, selected) {
  const at = enemies.findIndex((enemy) => enemy.enemy_id === selected);
  const ring = [...enemies.slice(at + 1), ...enemies.slice(0, at + 1)];
  return ring.find((enemy) => enemy.hp > 0)?.enemy_id ?? null;
}

function enemyCard(enemy, select) {
  const hp = bar("foe", "Hit points");
  const hpText = h("span", { class: "enemy-hp" });
  const picture = emblem(enemy.type);
  const floats = h("div", { class: "floats", "aria-hidden": "true" });
  const element = h(
    "div",
    { class: "enemy", role: "radio", data: { testid: "enemy", enemyId: enemy.enemy_id, type: enemy.type } },
    h("div", { class: "enemy-picture" }, picture, floats),
    h("div", { class: "enemy-words" },
      h("span", { class: "enemy-name" }, capital(enemy.type)),
      h("span", { class: "enemy-level" }, `Level ${enemy.level}`)),
    hp.element,
    h("div", { class: "enemy-words" }, hpText,
      h("span", { class: "enemy-level" }, `atk ${number(enemy.attack)} · def ${number(enemy.defense)}`)),
  );
  element.addEventListener("click", () => select(enemy.enemy_id));
  element.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    select(enemy.enemy_id);
  });

  function update({ hp: left, max_hp: most }) {
    setData(element, "hp", left);
    setData(element, "defeated", left <= 0);
    setText(hpText, left > 0 ? `${number(left)} / ${number(most)}` : "Defeated");
    hp.set(left / most, `${left} of ${most}`);
    setAttribute(element, "aria-disabled", left <= 0 ? "true" : null);
  }

  function mark(on, acting) {
    setAttribute(element, "aria-checked", String(on));
    setAttribute(element, "tabindex", on ? "0" : acting ? "-1" : null);
  }
  return { element, update, mark, emblem: picture, floats };
}
