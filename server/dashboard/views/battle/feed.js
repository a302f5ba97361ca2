/** What is said and what happens, line by line. */

import { bdi, h, press, setAttribute, setText, setUsable } from "../../dom.js";
import { explain, timeOfDay } from "../../words.js";

const LINES_KEPT = 200;
const NEAR_END_PX = 40;

export function feedPanel(send) {
  const log = h("div", { class: "feed", role: "log", "aria-label": "Chat and events", tabindex: "0", data: { testid: "chat-log" } });
  const input = h("input", {
    id: "chat-input",
    type: "text",
    maxlength: 200,
    autocomplete: "off",
    dir: "auto",
    "aria-describedby": "chat-error",
    placeholder: "Say something",
    data: { testid: "chat-input" },
  });
  const button = h("button", { type: "submit", data: { testid: "chat-send" } }, "Say");
  const error = h("p", { class: "field-error", id: "chat-error", role: "status" });
  const form = h("form", { class: "chat-form" }, h("label", { class: "unseen", for: "chat-input" }, "Say something to the battle"), input, button);
  const element = h("section", { class: "card feed-card", "aria-labelledby": "feed-title" },
    h("h2", { id: "feed-title" }, "Talk"), log, form, error);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ").trim();
    if (text) press(button, () => say(text));
  });

  async function say(text) {
    setText(error, "");
    input.value = "";
    try {
      await send(text);
    } catch (failure) {
      // What was typed is not lost, unless something new was typed meanwhile.
      input.value ||= text;
      setText(error, explain(failure));
    }
  }

  function add(line) {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
    log.append(line);
    while (log.childElementCount > LINES_KEPT) log.firstElementChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  /** Something a player said. */
  function said({ name, text, at }, mine) {
    add(h("p", { class: mine ? "said mine" : "said", data: { testid: "chat-line" } },
      h("b", {}, bdi(name)), bdi(text, { class: "said-text" }), h("time", { datetime: at }, timeOfDay(at))));
  }

  /** Something that happened: a text, or nodes and texts. */
  function told(text, tone = "plain") {
    add(h("p", { class: `told told-${tone}`, data: { testid: "log-line" } }, text));
  }

  /** Starts anew with what a snapshot holds. */
  function reset(lines) {
    log.replaceChildren();
    for (const line of lines) said(line, false);
    log.scrollTop = log.scrollHeight;
  }

  function update({ seated, live }) {
    const open = seated && live;
    // Not disabled: that would take the focus from whoever is just typing when the battle ends.
    setAttribute(input, "readonly", seated ? null : true);
    setAttribute(input, "placeholder", seated ? "Say something" : "Take a seat to talk");
    setUsable(button, open);
  }

  return { element, said, told, reset, update };
}
