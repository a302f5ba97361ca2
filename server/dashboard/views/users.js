/** The people, for whoever administers: search, and new accounts. Those that are seen are live. */

import { bdi, h, setData, setText } from "../dom.js";
import { ask } from "../parts/dialog.js";
import { choice, field, revealable, wrongPassword, wrongUsername } from "../parts/field.js";
import { pages } from "../parts/pages.js";
import { reduceUser } from "../state.js";
import { linkTo } from "../views.js";
import { dateAndTime, ROLES } from "../words.js";

const PAGE = 50;
const TYPED_MS = 250;

export function open(app, life, { query }) {
  const { connection } = app;
  const asked = { search: query.search ?? "", role: query.role in ROLES ? query.role : "" };

  const search = field("search", "Search", { type: "search", value: asked.search, maxlength: 254, placeholder: "Name or e-mail", autocomplete: "off" });
  const role = choice("role", "Role", [["", "Any role"], ...Object.entries(ROLES)]);
  role.input.value = asked.role;
  const create = h("button", { type: "button", class: "primary", data: { testid: "create" } }, "New account");
  create.addEventListener("click", () => createUser(app));

  const rows = h("tbody");
  const table = h("table", { class: "table users" },
    h("caption", { class: "unseen" }, "Accounts, by name"),
    h("thead", {}, h("tr", {}, ["Name", "E-mail", "Role", "Since"].map((label) => h("th", { scope: "col" }, label)))),
    rows);

  const list = pages(life, {
    list: table,
    rows,
    ask: (cursor) => connection.call("users.list", {
      limit: PAGE,
      search: asked.search,
      ...(asked.role && { role: asked.role }),
      ...(cursor && { cursor }),
    }),
    keyOf: (user) => user.user_id,
    make: userRow,
    words: { looking: "Looking for accounts…", none: "No account is like that." },
    live: {
      rooms: connection.rooms,
      room: (userId) => `user:${userId}`,
      next: (user, name, data) => reduceUser(user, name, data) ?? { ...user, deleted: true },
    },
  });

  let typed = () => {};
  const change = (part) => {
    Object.assign(asked, part);
    app.remember(asked);
    typed();
    typed = life.after(TYPED_MS, list.reload);
  };
  search.input.addEventListener("input", () => change({ search: search.input.value.trim() }));
  role.input.addEventListener("change", () => change({ role: role.input.value }));

  const element = h("section", { class: "stack", "aria-labelledby": "users-title", data: { testid: "users" } },
    h("div", { class: "view-head" },
      h("h1", { id: "users-title", tabindex: "-1", "data-focus": true }, "People"), h("div", { class: "spring" }, create)),
    h("div", { class: "filters", role: "search" }, search.element, role.element),
    h("div", { class: "card table-card" }, list.element));
  return { title: "People", element };
}

function userRow({ user_id }) {
  const name = bdi("");
  const email = bdi("");
  const link = h("a", { href: linkTo("user", { user_id }), data: { testid: "user-link" } }, name);
  const role = h("span");
  const state = h("span", { class: "status" });
  const since = h("td", { class: "wide-only" });
  const element = h("tr", { data: { testid: "user-row", userId: user_id } },
    h("th", { scope: "row" }, link), h("td", { class: "wide-only" }, email), h("td", {}, h("span", { class: "row" }, role, state)), since);

  function update(user) {
    const word = user.deleted ? "Deleted" : user.disabled ? "Disabled" : "";
    setText(name, user.username);
    setText(email, user.email ?? "–");
    setText(role, ROLES[user.role]);
    setText(state, word);
    state.hidden = !word;
    setData(element, "state", word.toLowerCase());
    setText(since, dateAndTime(user.created_at));
  }
  return { element, update };
}

async function createUser(app) {
  const username = field("username", "Name", { autocomplete: "off", hint: "3 to 20 letters, digits, _ or -." });
  const password = field("password", "Password", { type: "password", autocomplete: "new-password", hint: "8 characters or more." });
  const email = field("email", "E-mail (optional)", { type: "email", autocomplete: "off" });
  const role = choice("role", "Role", Object.entries(ROLES));
  revealable(password);
  const user = await ask({
    title: "New account",
    fields: { username, password, email, role },
    confirm: "Create",
    check: (given) => ({ username: wrongUsername(given.username.trim()), password: wrongPassword(given.password) }),
    send: (given) => app.connection.command("users.create", {
      username: given.username.trim(),
      password: given.password,
      email: given.email.trim() || null,
      role: given.role,
    }),
  });
  if (user) app.go(linkTo("user", { user_id: user.user_id }));
}
