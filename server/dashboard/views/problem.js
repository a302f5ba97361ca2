/** Where a view can't be shown: why, and the way on. */

import { h } from "../dom.js";
import { linkTo } from "../views.js";

/** Opens such a view: a title, words, and the way to `home` or to try `again`. */
export function problemView(title, words, home, again) {
  return () => {
    const retry = again && h("button", { type: "button", class: "primary" }, "Try again");
    retry?.addEventListener("click", again);
    const element = h(
      "section",
      { class: "empty problem-view", data: { testid: "problem" } },
      h("h1", { tabindex: "-1", "data-focus": true }, title),
      h("p", {}, words),
      retry,
      home && h("a", { class: "button", href: linkTo(home.name) }, `Go to ${home.label}`),
    );
    return { title, element };
  };
}
