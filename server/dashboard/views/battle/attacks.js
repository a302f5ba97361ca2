/** What one can do: five blows with what they cost, one's own hp and stamina, and getting up again. */

import { bar, h, setData, setText, setUsable, show, usable } from "../../dom.js";
import { ATTACKS, DOWN_MS, number, REVIVE_GEMS, span } from "../../words.js";

const AT_ONCE = 4;
const REFUSAL_MS = 4000;

export function attackPanel({ strike, revive }) {
  let under = 0;
  let timer = null;

  const hp = bar("hp", "Your hit points");
  const hpText = h("b", { data: { testid: "my-hp" } });
  const stamina = bar("stamina", "Your stamina");
  const staminaText = h("b");
  const hint = h("p", { class: "attack-hint", role: "status" });
  const spoken = h("p", { class: "unseen", role: "status", data: { testid: "last-blow" } });
  const buttons = new Map(ATTACKS.map((attack, i) => [attack.kind, attackButton(attack, i + 1, hit)]));
  const reviveButton = h("button", { type: "button", class: "primary", data: { testid: "revive" } }, `Get up for ${REVIVE_GEMS} gems`);
  const downText = h("p", {}, h("b", {}, "You are down. "), h("span"));
  const down = h("div", { class: "callout callout-bad down" }, downText, reviveButton);
  reviveButton.addEventListener("click", () => revive(reviveButton));

  const row = h("div", { class: "attack-row", role: "group", "aria-label": "Attacks, keys 1 to 5" },
    [...buttons.values()]);
  const element = h(
    "section",
    { class: "attacks card", "aria-label": "Your moves" },
    h("div", { class: "vitals" },
      h("div", { class: "vital" }, h("span", { class: "figure-line" }, h("span", { class: "figure-label" }, "Your hp"), hpText), hp.element),
      h("div", { class: "vital" }, h("span", { class: "figure-line" }, h("span", { class: "figure-label" }, "Stamina"), staminaText), stamina.element)),
    row, down, hint, spoken,
  );

  show(element, false);
  show(down, false);

  async function hit(kind) {
    if (!usable(buttons.get(kind)) || under >= AT_ONCE) return;
    under += 1;
    try {
      await strike(kind);
    } finally {
      under -= 1;
    }
  }

  function update({ seat, seated, over, live, player, target }) {
    show(element, seated && !over);
    if (!seat) return;
    const isDown = seat.down_at !== null;
    hp.set(seat.hp / seat.max_hp, `${seat.hp} of ${seat.max_hp}`);
    setText(hpText, `${number(seat.hp)} / ${number(seat.max_hp)}`);
    setData(element, "down", isDown);
    show(row, !isDown);
    show(down, isDown);
    afford(player, live && !isDown && target !== null);
    setUsable(reviveButton, live && (player?.gems ?? 0) >= REVIVE_GEMS);
  }

  function afford(player, ready) {
    const have = player?.stamina ?? 0;
    for (const { kind, stamina: cost } of ATTACKS) setUsable(buttons.get(kind), ready && have >= cost);
    if (!player) return;
    stamina.set(have / player.max_stamina, `${have} of ${player.max_stamina}`);
    setText(staminaText, `${number(have)} / ${number(player.max_stamina)}`);
    setData(element, "ready", ready);
  }

  /** Stamina grows and the wait for getting up passes, without any event. */
  function tick({ seat, seated, over }, player, now) {
    if (!seated || over) return;
    afford(player, element.dataset.ready === "true");
    if (!seat.down_at) return;
    const wait = Date.parse(seat.down_at) + DOWN_MS - now;
    setText(downText.lastElementChild, `You have ${number(player?.gems ?? 0)} gems. You get up by yourself in ${span(wait)}.`);
  }

  function refuse(text) {
    setText(hint, text);
    clearTimeout(timer);
    timer = setTimeout(() => setText(hint, ""), REFUSAL_MS);
  }

  /** A key, anywhere in the view. Whether it was one of ours. */
  function press(key) {
    const attack = /^[1-5]$/.test(key) ? ATTACKS[key - 1] : null;
    if (!attack || element.hidden) return false;
    const button = buttons.get(attack.kind);
    button.classList.add("pressed");
    setTimeout(() => button.classList.remove("pressed"), 120);
    hit(attack.kind);
    return true;
  }

  /** What to focus on where one can get up; null while one stands. */
  const next = () => (down.hidden ? null : reviveButton);

  return { element, update, tick, refuse, press, next, say: (text) => setText(spoken, text) };
}

function attackButton({ kind, name, stamina, worth, crit }, key, hit) {
  const button = h(
    "button",
    { type: "button", class: "attack", "aria-keyshortcuts": key, data: { testid: `attack-${kind}`, kind } },
    h("kbd", { "aria-hidden": "true" }, key),
    h("span", { class: "attack-name" }, name),
    h("span", { class: "attack-cost" }, `${stamina} `, h("span", {}, "stamina")),
    h("span", { class: "attack-worth" }, [worth, crit].filter(Boolean).join(", ")),
  );
  button.addEventListener("click", () => hit(kind));
  return button;
}
