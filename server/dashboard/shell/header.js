/** The header: the player's figures, who is online, and the connection. */

import { h } from "../dom.js";
import { mark } from "../views/emblems.js";
import { connectionChip } from "./connection.js";
import { playerFigures } from "./figures.js";
import { presence } from "./presence.js";

export function header(app, life, menu) {
  return h(
    "header",
    { class: "header" },
    menu,
    h("a", { class: "brand", href: "#/", "aria-label": "Warroom: to the start" }, mark(), h("span", {}, "Warroom")),
    playerFigures(app, life),
    h("div", { class: "header-live" }, presence(app, life), connectionChip(app, life)),
  );
}
