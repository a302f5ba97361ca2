/** Start: who is it, and what they are shown. */

import { cell } from "./cell.js";
import { Connection } from "./connection.js";
import { h } from "./dom.js";
import { Life } from "./life.js";
import { Session } from "./session.js";
import { notices } from "./shell/notices.js";
import { shell } from "./shell/shell.js";
import { reducePlayer } from "./state.js";
import { explain } from "./words.js";
import { loginView } from "./views/login.js";

const RESTORE_AGAIN_MS = 3000;

const place = {
  header: document.getElementById("header"),
  side: document.getElementById("side"),
  main: document.getElementById("main"),
};
const notice = notices(document.getElementById("notices"));
const session = new Session();
let close = () => {};

/** For somebody who is logged in: the connection, and the shell with its views. */
function open() {
  const life = new Life();
  const connection = new Connection(session);
  /**
   * What views are given: the session, the connection, one's own player, who is online, and ways to speak
   * and to go elsewhere. `may(permission)` is asked anew each time: a role can change.
   */
  const app = {
    session,
    connection,
    me: session.user.id,
    may: (permission) => session.user?.permissions.includes(permission) ?? false,
    profile: cell(null),
    presence: cell(null),
    // An answer may come after the log-out: it is nothing to whoever logs in next.
    notice: (...said) => life.over || notice(...said),
    title: (text) => (document.title = `${text} · Warroom`),
  };
  connection.start();
  const frame = shell(app, place);
  let own = followOwnPlayer(app, life);
  let role = session.user.role;
  life.listen(session, "renewed", () => {
    if (session.user.role === role) return;
    role = session.user.role;
    own();
    if (!app.may("play")) app.profile.set(null);
    own = followOwnPlayer(app, life);
    frame.redraw();
  });
  close = () => {
    frame.close();
    life.close();
    connection.stop();
    close = () => {};
  };
}

/** One's own player, where there is one. Returns what ends it. */
function followOwnPlayer({ connection, me, may, notice, profile }, life) {
  if (!may("play")) return () => {};
  return life.join(connection.rooms, `player:${me}`, {
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

function showLogin(why = null) {
  close();
  notice.clear();
  const { title, element } = loginView(session, why, open);
  document.title = `${title} · Warroom`;
  place.main.replaceChildren(element);
  window.scrollTo(0, 0);
  element.querySelector("[data-focus]").focus({ preventScroll: true });
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

session.addEventListener("ended", ({ detail: why }) => {
  showLogin(why);
  // Who logged out left the view too: whoever is next begins at the start.
  if (!why) history.replaceState(null, "", "#/");
});
document.getElementById("skip").addEventListener("click", () => place.main.focus());
start();
