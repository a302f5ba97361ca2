/** What is said in passing, at the top of the page: there it lies over nothing that one strikes with. */

import { h } from "../dom.js";

const STAY_MS = 6000;
const AT_ONCE = 3;

/**
 * Returns notice(text, tone, {stays}): says something for some seconds, or until it is dismissed.
 * `tone`: good, bad or plain. `notice.clear()` takes all away: they are for whoever is logged in.
 */
export function notices(place) {
  function notice(text, tone = "plain", { stays = false } = {}) {
    const element = h("div", { class: `notice notice-${tone}`, data: { testid: "notice" } }, h("p", {}, text));
    if (stays) {
      const dismiss = h("button", { type: "button", class: "quiet", data: { testid: "dismiss" } }, "Dismiss");
      dismiss.addEventListener("click", () => element.remove());
      element.append(dismiss);
    } else {
      setTimeout(() => element.remove(), STAY_MS);
    }
    place.append(element);
    while (place.childElementCount > AT_ONCE) place.firstElementChild.remove();
  }
  notice.clear = () => place.replaceChildren();
  return notice;
}
