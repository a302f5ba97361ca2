/** The head of a battle: its name, its wave, the enemies' next blow, joining and leaving. */

import { h, setData, setText, setUsable, show } from "../../dom.js";
import { CADENCE_MS, STATUS } from "../../words.js";
import { setDifficulty } from "../difficulty.js";

export function battleHead({ join, leave }) {
  const name = h("h1", { tabindex: "-1", "data-focus": true }, "Battle");
  const difficulty = h("p", { class: "difficulty" });
  const status = h("span", { class: "status", data: { testid: "battle-status" } });
  const waveText = h("b", { data: { testid: "wave" } });
  const wavePips = h("span", { class: "wave-pips", "aria-hidden": "true" });
  const countdown = h("b", { data: { testid: "next-hit" } });
  const ring = h("i", { class: "ring", "aria-hidden": "true" });
  const next = h("p", { class: "next-hit" }, ring, h("span", {}, "They strike in "), countdown);
  const watching = h("p", { class: "watching", data: { testid: "watching" } }, "You are watching.");
  const joinButton = h("button", { type: "button", class: "primary", data: { testid: "join" } }, "Join");
  const leaveButton = h("button", { type: "button", data: { testid: "leave" } }, "Back to the battles");
  const banner = h("p", { class: "wave-banner", role: "status", data: { testid: "wave-banner" } });
  joinButton.addEventListener("click", () => join(joinButton));
  leaveButton.addEventListener("click", () => leave(leaveButton));

  const wave = h("p", { class: "wave" }, waveText, wavePips);
  const element = h(
    "header",
    { class: "battle-head" },
    h("div", { class: "battle-title" }, h("div", { class: "battle-card-top" }, difficulty, status), name),
    h("div", { class: "battle-now" }, wave, next),
    h("div", { class: "battle-do" }, watching, joinButton, leaveButton),
    banner,
  );

  for (const later of [status, next, wave, watching, joinButton]) show(later, false);

  function update({ battle, seated, over, player, live }) {
    setText(name, battle.name);
    setDifficulty(difficulty, battle.difficulty);
    setText(status, STATUS[battle.status]);
    show(status, true);
    show(wave, battle.wave > 0);
    setText(waveText, `Wave ${battle.wave} of ${battle.waves}`);
    drawPips(battle);
    // While the server is away nobody knows when they strike.
    show(next, live && battle.status === "in_progress" && battle.next_hit_at !== null);

    const taken = Object.values(battle.seats).filter((seat) => seat.seated).length;
    const full = taken >= battle.max_players;
    const tooLow = player !== null && player.level < battle.required_level;
    show(watching, !seated && !over);
    show(joinButton, !seated && !over);
    setUsable(joinButton, live && !full && !tooLow);
    setText(joinButton, tooLow ? `From level ${battle.required_level}` : full ? "Full" : "Join");
    setText(leaveButton, seated && !over ? "Leave battle" : "Back to the battles");
  }

  function drawPips({ wave: now, waves, status: state }) {
    const wanted = `${now}/${waves}/${state}`;
    if (wavePips.dataset.drawn === wanted) return;
    wavePips.dataset.drawn = wanted;
    const kind = (i) => (i < now || state === "completed" ? "done" : i === now ? "now" : "");
    wavePips.replaceChildren(...Array.from({ length: waves }, (_, i) => h("i", { class: kind(i + 1) })));
  }

  /** The countdown, several times a second. */
  function tick({ battle, over }, now) {
    if (over || !battle.next_hit_at) return;
    const ms = Math.max(0, Date.parse(battle.next_hit_at) - now);
    setText(countdown, `${Math.ceil(ms / 1000)} s`);
    setData(next, "near", ms < 3000);
    ring.style.setProperty("--ratio", (Math.min(1, ms / CADENCE_MS)).toFixed(3));
  }

  /** Announces a wave: a banner that passes over the field. */
  function announce(number, waves) {
    setText(banner, number === waves && waves > 1 ? `Last wave: ${number} of ${waves}` : `Wave ${number} of ${waves}`);
    banner.classList.remove("passing");
    void banner.offsetWidth;
    banner.classList.add("passing");
  }

  return { element, title: name, update, tick, wave: announce };
}
