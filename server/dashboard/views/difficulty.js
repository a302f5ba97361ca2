/** A difficulty, for the eye and in words. */

import { h } from "../dom.js";
import { capital, DIFFICULTIES } from "../words.js";

/** Writes a difficulty as a word and as pips. */
export function setDifficulty(element, difficulty) {
  if (element.dataset.difficulty === difficulty) return;
  element.dataset.difficulty = difficulty;
  const rank = DIFFICULTIES.indexOf(difficulty) + 1;
  const pips = DIFFICULTIES.map((_, i) => h("i", { class: i < rank ? "pip on" : "pip" }));
  element.replaceChildren(h("span", { class: "pips", "aria-hidden": "true" }, pips), capital(difficulty));
}
