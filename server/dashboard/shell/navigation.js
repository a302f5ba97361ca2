/** The navigation: the views that this person may use, and the account. On a narrow page it opens by a button. */

import { bdi, h, setAttribute, setData, setText } from "../dom.js";
import { linkTo, VIEWS } from "../views.js";
import { icon } from "../views/emblems.js";
import { ROLES } from "../words.js";
import { themeSwitch } from "./theme.js";

export function navigation(app) {
  const { session } = app;
  const list = h("div", { class: "nav-groups" });
  const role = h("span", { class: "hint", data: { testid: "own-role" } });
  const logout = h("button", { type: "button", class: "quiet", data: { testid: "logout" } }, "Log out");
  logout.addEventListener("click", () => session.logout());

  const element = h(
    "nav",
    { class: "nav", id: "nav", "aria-label": "Views", data: { testid: "nav" } },
    list,
    h("div", { class: "account" },
      h("a", { href: "/protocol", data: { testid: "protocol" } }, icon("protocol"), h("span", {}, "Protocol")),
      themeSwitch(),
      h("div", { class: "who" },
        h("p", { class: "who-words" }, h("b", { class: "who-name", data: { testid: "player-name" } }, bdi(session.user.username)), role),
        logout)),
  );
  const button = h(
    "button",
    { type: "button", class: "quiet menu", "aria-controls": "nav", "aria-expanded": "false", "aria-label": "Menu", data: { testid: "menu" } },
    icon("menu"),
  );
  let links = new Map();
  let marked = null;

  function open(on) {
    setAttribute(button, "aria-expanded", String(on));
    setData(element, "open", on);
  }

  function draw() {
    const seen = VIEWS.filter((view) => view.label && app.may(view.permission));
    links = new Map(seen.map((view) => [view.name, link(view)]));
    const groups = [...new Set(seen.map((view) => view.group))];
    list.replaceChildren(...groups.map((group) => {
      const id = `nav-${group.toLowerCase()}`;
      return h("div", {}, h("p", { class: "nav-group", id }, group),
        h("ul", { "aria-labelledby": id },
          seen.filter((view) => view.group === group).map((view) => h("li", {}, links.get(view.name)))));
    }));
    setText(role, ROLES[session.user.role] ?? session.user.role);
    mark(marked);
  }

  /** Marks where the reader is. */
  function mark(view) {
    marked = view;
    for (const [name, each] of links) {
      setAttribute(each, "aria-current", name === view?.name ? "page" : name === view?.within ? "true" : null);
    }
    open(false);
  }

  button.addEventListener("click", () => open(button.getAttribute("aria-expanded") !== "true"));
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || button.getAttribute("aria-expanded") !== "true") return;
    open(false);
    button.focus();
  });
  // A link to where one is already changes no location: the menu closes all the same.
  list.addEventListener("click", (event) => event.target.closest("a") && open(false));
  draw();
  return { element, button, draw, mark };
}

function link({ name, label }) {
  return h("a", { href: linkTo(name), data: { testid: `nav-${name}` } }, icon(name), h("span", {}, label));
}
