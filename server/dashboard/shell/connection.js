/** The connection: how it is, when it is tried again, what a return found, and why the server let go. */

import { h, setData, setText, show } from "../dom.js";
import { CONNECTION, foundNote, moment, partedNote, resetNote, span, TRANSPORTS } from "../words.js";

const TICK_MS = 250;
// Below this nobody could read it.
const LEAST_WAIT_MS = 1000;

export function connectionChip({ connection, notice }, life) {
  const word = h("span", { class: "chip-word" });
  const wait = h("span", { class: "chip-wait", data: { testid: "retry-in" } });
  // Read aloud without the seconds, which would be read each second.
  const spoken = h("p", { class: "unseen", role: "status" });
  const panel = detailsPanel(connection);
  const element = h("div", { class: "chip", data: { testid: "connection" } },
    h("button", { type: "button", class: "quiet chip-button", popovertarget: panel.element.id },
      h("i", { class: "dot", "aria-hidden": "true" }),
      h("span", { class: "unseen" }, "Connection:"),
      h("span", { class: "chip-words" }, word, wait)),
    spoken, panel.element);

  const tick = () => {
    const { state, retryAt } = connection.status.get();
    const ms = retryAt === null ? 0 : retryAt - Date.now();
    setText(wait, state !== "live" && ms > LEAST_WAIT_MS - TICK_MS ? `in ${span(ms)}` : "");
    panel.tick();
  };

  life.watch(connection.status, ({ state }) => {
    setData(element, "state", state);
    setText(word, CONNECTION[state]);
    setText(spoken, CONNECTION[state]);
    tick();
  });
  life.watch(connection.found, (found) => {
    if (!found) return;
    setData(element, "verdict", found.verdict);
    const lost = found.verdict === "reset";
    notice(`${foundNote(found)}. ${resetNote(found)}`.trim(), lost ? "plain" : "good");
    panel.tick();
  });
  life.watch(connection.parted, (parted) => {
    if (parted?.name === "server.evicted") notice(partedNote(parted), "bad", { stays: true });
    if (parted?.reason === "rights_changed") notice(partedNote(parted));
    panel.tick();
  });
  life.every(TICK_MS, tick);
  return element;
}

/** All that is known of the connection, for whoever asks. */
function detailsPanel(connection) {
  const state = row("State");
  const since = row("Since");
  const transport = row("Transport");
  const found = row("Last return");
  const parted = row("Last break");
  const retry = h("button", { type: "button", data: { testid: "retry" } }, "Try now");
  retry.addEventListener("click", () => connection.retry());
  const element = h(
    "div",
    { class: "card popover", id: "connection-details", popover: "auto", data: { testid: "connection-details" } },
    h("h2", {}, "Connection"),
    h("dl", { class: "pairs" }, [state, since, transport, found, parted].map((each) => each.element)),
    retry,
  );

  function tick() {
    if (!element.matches(":popover-open")) return;
    const now = connection.status.get();
    const ms = now.retryAt === null ? 0 : now.retryAt - Date.now();
    state.set(ms > 0 ? `${CONNECTION[now.state]}, next attempt in ${span(ms)}` : CONNECTION[now.state]);
    since.set(moment(now.since));
    transport.set(TRANSPORTS[connection.transport] ?? null);
    const last = connection.found.get();
    found.set(last && `${moment(last.at)}: ${foundNote(last)}. ${resetNote(last)}`);
    const why = connection.parted.get();
    parted.set(why && `${moment(why.at)}: ${partedNote(why)}`);
    show(retry, now.state !== "live");
  }
  element.addEventListener("toggle", tick);
  return { element, tick };
}

function row(label) {
  const value = h("dd");
  const element = h("div", {}, h("dt", {}, label), value);
  const set = (text) => {
    show(element, Boolean(text));
    setText(value, text ?? "");
  };
  return { element, set };
}
