/** How many players are online. */

import { h, setText, show } from "../dom.js";
import { icon } from "../views/emblems.js";
import { number } from "../words.js";

export function presence({ connection, presence: known }, life) {
  const count = h("b", { data: { testid: "online" } });
  const element = h("p", { class: "presence" }, icon("players"), count, h("span", {}, "online"));
  show(element, false);
  life.join(connection.rooms, "players", {
    snapshot: (counted) => known.set(counted),
    event: (_, counted) => known.set(counted),
    gone: () => known.set(null),
  });
  life.watch(known, (counted) => {
    show(element, counted !== null);
    if (counted) setText(count, number(counted.online));
  });
  return element;
}
