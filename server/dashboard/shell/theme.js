/** The colours: the system's, light or dark. What is chosen is remembered; scheme.js sets it before the first paint. */

import { segments } from "../parts/field.js";

const KEY = "warroom.theme";
const CHOICES = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function themeSwitch() {
  const element = segments("Colours", CHOICES, document.documentElement.dataset.theme ?? "system", choose);
  element.classList.add("theme");
  return element;
}

function choose(value) {
  document.documentElement.dataset.theme = value;
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Not remembered, then: it holds until the page is closed.
  }
}
