/** Start: who is it, and which view. The view is named by location.hash. */

import { Connection } from "./connection.js";
import { cell, h } from "./dom.js";
import { Session } from "./session.js";
import { reducePlayer } from "./state.js";
import { explain } from "./words.js";
import { battleView } from "./views/battle.js";
import { header } from "./views/header.js";
import { loginView } from "./views/login.js";
import { poolView } from "./views/pool.js";

const NOTICE_MS = 6000;
const RESTORE_AGAIN_MS = 3000;

const place = {
  header: document.getElementById("header"),
  main: document.getElementById("main"),
  notices: document.getElementById("notices"),
};

const session = new Session();
let app = null;
let head = null;
let view = null;

/** What the views are given: the session, the connection, one's own player, and a way to speak. */
function open() {
  const connection = new Connection(session);
  app = {
    session,
    connection,
    me: session.user.id,
    mayPlay: session.user.permissions.includes("play"),
    profile: cell(null),
    notice,
    go: (hash) => (location.hash === hash ? route() : (location.hash = hash)),
  };
  connection.start();
  if (app.mayPlay) joinOwnRoom(app);
  head = header(app);
  place.header.replaceChildren(head.element);
  route();
}

function joinOwnRoom({ connection, me, profile }) {
  connection.rooms.join(`player:${me}`, {
    snapshot: (state) => profile.set(state),
    event(name, data, meta) {
      const before = profile.get();
      profile.set(reducePlayer(before, name, data, meta));
      const { level, stat_points: points } = profile.get().player;
      if (level > before.player.level) notice(`Level ${level}! ${points} stat points to spend.`, "good");
    },
    gone: (failure) => notice(explain(failure), "bad"),
  });
}

function close() {
  view?.close();
  head?.close();
  app?.connection.stop();
  view = head = app = null;
  place.header.replaceChildren();
}

function route() {
  if (!app) return;
  const [, battleId] = location.hash.match(/^#\/battle\/([\w-]+)$/) ?? [];
  show(() => (battleId ? battleView(app, battleId) : poolView(app)));
}

function show(make) {
  view?.close();
  view = make();
  document.title = view.title ? `${view.title} · Warroom` : "Warroom";
  place.main.replaceChildren(view.element);
  window.scrollTo(0, 0);
  view.element.querySelector("[data-focus]")?.focus({ preventScroll: true });
}

function showLogin(why = null) {
  close();
  show(() => loginView(session, why, open));
}

/** Says something for some seconds. `tone`: good, bad or plain. */
function notice(text, tone = "plain") {
  const element = h("p", { class: `notice notice-${tone}`, data: { testid: "notice" } }, text);
  place.notices.append(element);
  while (place.notices.childElementCount > 3) place.notices.firstElementChild.remove();
  setTimeout(() => element.remove(), NOTICE_MS);
}

async function start() {
  try {
    if (await session.restore()) return open();
    showLogin();
  } catch (failure) {
    // Refused: the session has ended, and said so. No answer: the session may be good still.
    if (!failure.retryable) return;
    place.main.replaceChildren(h("p", { class: "splash", role: "status" }, `${explain(failure)} Trying again…`));
    setTimeout(start, RESTORE_AGAIN_MS);
  }
}

session.addEventListener("ended", ({ detail: why }) => showLogin(why));
window.addEventListener("hashchange", route);
document.getElementById("skip").addEventListener("click", () => place.main.focus());
start();
