/**
 * Every view: its name and path, the permission it asks for, and the module that opens it.
 *
 * A domain's view is one entry here and one module in views/. With a `label` it stands in the navigation,
 * in its `group`; one without is reached from the view that it is `within`.
 * A module exports open(app, life, {params, query}), which returns {title, element}. What it takes
 * (rooms, listeners, timers) it takes through `life`, which gives all of it back when the view is left.
 */

export const VIEWS = [
  {
    name: "battles",
    group: "Game",
    label: "Battles",
    path: "/battles",
    permission: "play",
    load: () => import("./views/battles.js"),
  },
  {
    name: "battle",
    within: "battles",
    path: "/battles/:battle_id",
    permission: "play",
    load: () => import("./views/battle.js"),
  },
  {
    name: "player",
    group: "Game",
    label: "Your player",
    path: "/player",
    permission: "play",
    load: () => import("./views/player.js"),
  },
  {
    name: "players",
    group: "Game",
    label: "Players",
    path: "/players",
    permission: "connect",
    load: () => import("./views/players.js"),
  },
  {
    name: "users",
    group: "Administration",
    label: "People",
    path: "/users",
    permission: "administer",
    load: () => import("./views/users.js"),
  },
  {
    name: "user",
    within: "users",
    path: "/users/:user_id",
    permission: "administer",
    load: () => import("./views/user.js"),
  },
  {
    name: "connections",
    group: "Administration",
    label: "Connections",
    path: "/connections",
    permission: "administer",
    load: () => import("./views/connections.js"),
  },
];

/** The view that a location names, with its `params` and `query`; null where there is none. */
export function find(hash, views = VIEWS) {
  const [path, search = ""] = hash.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean);
  for (const view of views) {
    const params = match(view.path.split("/").filter(Boolean), parts);
    if (params) return { view, params, query: Object.fromEntries(new URLSearchParams(search)) };
  }
  return null;
}

/** Where a view is, as a link. Empty values of the query are left out. */
export function linkTo(name, params = {}, query = {}, views = VIEWS) {
  const { path } = views.find((view) => view.name === name);
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#${path.replace(/:(\w+)/g, (_, key) => encodeURIComponent(params[key]))}${search}`;
}

function match(pattern, parts) {
  if (pattern.length !== parts.length) return null;
  const params = {};
  for (const [i, word] of pattern.entries()) {
    if (!word.startsWith(":")) {
      if (word !== parts[i]) return null;
      continue;
    }
    try {
      params[word.slice(1)] = decodeURIComponent(parts[i]);
    } catch {
      return null;
    }
  }
  return params;
}
