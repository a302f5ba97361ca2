/** The colours: the system's, light or dark. What is chosen is remembered; scheme.js sets it before the first paint. */

import { h } from "../dom.js";

const KEY = "warroom.theme";
const CHOICES = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];

let made = 0;

export function themeSwitch() {
  const name = `theme-${++made}`;
  const now = document.documentElement.dataset.theme ?? "system";
  const choices = CHOICES.map(([value, label]) => {
    const input = h("input", { type: "radio", name, value, checked: value === now });
    input.addEventListener("change", () => choose(value));
    return h("label", { data: { testid: `theme-${value}` } }, input, h("span", {}, label));
  });
  return h("fieldset", { class: "segments theme" }, h("legend", { class: "unseen" }, "Colours"), choices);
}

function choose(value) {
  document.documentElement.dataset.theme = value;
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Not remembered, then: it holds until the page is closed.
  }
}
