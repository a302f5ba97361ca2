/** Numbers that rise where a blow fell, and go. */

import { h } from "../../dom.js";

const AT_ONCE = 40;
const STAY_MS = 1100;
let alive = 0;

/** `kinds` are words for the style: crit, mine, hurt. Under a hail of blows only one's own are all shown. */
export function float(layer, text, kinds) {
  if (alive >= AT_ONCE && !kinds.includes("mine")) return;
  alive += 1;
  const element = h("span", { class: ["float", ...kinds].join(" ") }, text);
  element.style.setProperty("--drift", (Math.random() * 2 - 1).toFixed(2));
  layer.append(element);
  // A timer, not animationend: with motion reduced there is no animation that could end.
  setTimeout(() => {
    alive -= 1;
    element.remove();
  }, STAY_MS);
}

/** Lets an element start its animation of that class once more. */
export function flash(element, kind) {
  for (const animation of element.getAnimations?.() ?? []) if (animation.id === kind) animation.cancel();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const frames = FLASHES[kind];
  element.animate(frames, { duration: 320, easing: "ease-out", id: kind });
}

const FLASHES = {
  struck: [
    { transform: "translateX(0)", filter: "brightness(1.7)" },
    { transform: "translateX(-4px)" },
    { transform: "translateX(3px)" },
    { transform: "translateX(0)", filter: "none" },
  ],
  hurt: [{ backgroundColor: "color-mix(in srgb, var(--blood) 33%, transparent)" }, {}],
};
