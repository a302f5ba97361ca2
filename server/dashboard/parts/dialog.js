/** A question in a dialog: over the page, with the focus kept in it and given back after it. */

import { h, press, setText, show } from "../dom.js";
import { explain, FIELD_OF_REASON } from "../words.js";
import { tellWrong } from "./field.js";

let made = 0;

/**
 * Asks, and does what was asked for. `fields`: by name, as parts/field.js makes them; `check(values)` gives
 * what is wrong, message by name; `send(values)` does it. Resolves to what that gave, null where it was
 * called off. The dialog stays while `send` fails, and says why.
 */
export function ask({ title, words, fields = {}, confirm, danger = false, check = () => ({}), send }) {
  const id = `dialog-${++made}`;
  const problem = h("p", { class: "callout callout-bad", role: "alert", data: { testid: "dialog-error" } });
  const go = h("button", { type: "submit", class: danger ? "danger" : "primary", data: { testid: "confirm" } }, confirm);
  const cancel = h("button", { type: "button", class: "quiet", data: { testid: "cancel" } }, "Cancel");
  const form = h("form", { class: "form", novalidate: true },
    h("h2", { id }, title), words && h("p", {}, words), problem,
    Object.values(fields).map((field) => field.element),
    h("div", { class: "row dialog-do" }, cancel, go));
  const element = h("dialog", { class: "card dialog", "aria-labelledby": id, data: { testid: "dialog" } }, form);
  const values = () => Object.fromEntries(Object.entries(fields).map(([name, { input }]) => [name, input.value]));
  show(problem, false);

  return new Promise((resolve) => {
    let given = null;
    cancel.addEventListener("click", () => element.close());
    element.addEventListener("close", () => {
      element.remove();
      resolve(given);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      show(problem, false);
      const wrong = Object.entries(check(values())).filter(([, message]) => message);
      if (!tellWrong(fields, new Map(wrong))) press(go, attempt);
    });

    async function attempt() {
      try {
        given = await send(values());
        element.close();
      } catch (failure) {
        const named = FIELD_OF_REASON[failure.reason];
        const wrong = new Map([...failure.byField, ...(named ? [[named, explain(failure)]] : [])]);
        if (tellWrong(fields, wrong)) return;
        setText(problem, explain(failure));
        show(problem, true);
      }
    }

    document.body.append(element);
    element.showModal();
    // What is read first is what can't be undone: its button is not the one that Enter presses.
    const first = Object.values(fields)[0]?.input ?? cancel;
    first.focus();
  });
}
