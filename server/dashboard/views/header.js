/** The header: the connection, the player, and what grows by itself. */

import { bar, h, setAttribute, setData, setText, show } from "../dom.js";
import { serverNow } from "../clock.js";
import { staminaAt } from "../stamina.js";
import { CONNECTION, expStep, number, resumeNote, span } from "../words.js";
import { mark } from "./emblems.js";

const TICK_MS = 500;
const NOTE_MS = 10_000;

export function header(app) {
  const { connection, profile, session } = app;
  const link = connectionChip(connection);
  const figures = app.mayPlay ? playerFigures(profile) : null;

  const logout = h("button", { type: "button", class: "quiet", data: { testid: "logout" } }, "Log out");
  logout.addEventListener("click", () => session.logout());

  const element = h(
    "header",
    { class: "header" },
    h("a", { class: "brand", href: "#/", "aria-label": "Warroom: the pool of battles" }, mark(), h("span", {}, "Warroom")),
    link.element,
    figures?.element ?? h("div", { class: "figures" }),
    h("div", { class: "who" }, h("span", { class: "who-name", data: { testid: "player-name" } }, session.user.username), logout),
  );

  return {
    element,
    close() {
      link.close();
      figures?.close();
    },
  };
}

function connectionChip(connection) {
  const word = h("span", { class: "chip-word" });
  const note = h("span", { class: "chip-note", data: { testid: "resume-note" } });
  const element = h("div", { class: "chip", role: "status", data: { testid: "connection" } }, h("i", { class: "dot" }), word, note);
  let timer = null;

  const onState = () => {
    setData(element, "state", connection.state);
    setText(word, CONNECTION[connection.state]);
    if (connection.state !== "live") setText(note, "");
  };
  const onResumed = ({ detail }) => {
    setData(element, "verdict", detail.verdict);
    setText(note, resumeNote(detail));
    clearTimeout(timer);
    timer = setTimeout(() => setText(note, ""), NOTE_MS);
  };

  connection.addEventListener("state", onState);
  connection.addEventListener("resumed", onResumed);
  onState();
  return {
    element,
    close() {
      clearTimeout(timer);
      connection.removeEventListener("state", onState);
      connection.removeEventListener("resumed", onResumed);
    },
  };
}

function playerFigures(profile) {
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
  show(element, false);

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

  const stop = profile.watch((view) => {
    show(element, view !== null);
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
  const timer = setInterval(tick, TICK_MS);

  return {
    element,
    close() {
      stop();
      clearInterval(timer);
    },
  };
}

function figure(name, label) {
  const value = h("b", { data: { testid: name } });
  const element = h("span", { class: `figure-line purse-${name}` }, h("span", { class: "figure-label" }, label), value);
  const set = (amount) => {
    setText(value, number(amount));
    setData(value, "value", amount);
  };
  return { element, set };
}
