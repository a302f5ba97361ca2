/** The player's figures: level, stamina as it grows, gold and gems. */

import { bar, h, setAttribute, setData, setText, show } from "../dom.js";
import { serverNow } from "../clock.js";
import { staminaAt } from "../stamina.js";
import { expStep, number, span } from "../words.js";

const TICK_MS = 500;

export function playerFigures({ may, profile }, life) {
  const level = figure("level", "Level");
  const gold = figure("gold", "Gold");
  const gems = figure("gems", "Gems");
  const exp = bar("exp", "Exp to the next level");
  const stamina = bar("stamina", "Stamina");
  const staminaText = h("b", { data: { testid: "stamina" } });
  const staminaNote = h("span", { class: "figure-note" });
  const element = h(
    "div",
    { class: "figures" },
    h("div", { class: "figure figure-level" }, level.element, exp.element),
    h("div", { class: "figure figure-stamina" },
      h("span", { class: "figure-line" }, h("span", { class: "figure-label" }, "Stamina"), staminaText, staminaNote),
      stamina.element),
    h("div", { class: "purse" }, gold.element, gems.element),
  );
  // Its place is kept before its figures come: nothing below it moves then.
  for (const each of [level, gold, gems]) each.set(null);
  setText(staminaText, "–");

  const tick = () => {
    const view = profile.get();
    if (!view || document.hidden) return;
    const { maximum, regen } = view.stamina;
    const { amount, toward, nextInMs } = staminaAt(view.stamina, serverNow());
    setText(staminaText, `${number(amount)} / ${number(maximum)}`);
    setText(staminaNote, nextInMs === null ? "" : `+${number(regen)} in ${span(nextInMs)}`);
    const grown = Math.min(maximum, amount + toward * regen);
    stamina.set(amount / maximum, `${amount} of ${maximum}`, grown / maximum);
  };

  life.watch(profile, (view) => {
    show(element, may("play"));
    if (!view) return;
    const { player } = view;
    level.set(player.level);
    gold.set(player.gold);
    gems.set(player.gems);
    const step = expStep(player.level);
    const text = player.exp_to_next > 0 ? `${number(player.exp_to_next)} exp to level ${player.level + 1}` : "The highest level";
    exp.set(player.exp_to_next > 0 ? 1 - player.exp_to_next / step : 1, text);
    setAttribute(exp.element, "title", text);
    tick();
  });
  life.every(TICK_MS, tick);
  return element;
}

function figure(name, label) {
  const value = h("b", { data: { testid: name } });
  const element = h("span", { class: `figure-line purse-${name}` }, h("span", { class: "figure-label" }, label), value);
  const set = (amount) => {
    setText(value, amount === null ? "–" : number(amount));
    if (amount !== null) setData(value, "value", amount);
  };
  return { element, set };
}
