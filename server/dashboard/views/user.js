/** One account, for whoever administers: role, e-mail, password, letting in and keeping out, deleting. */

import { bdi, h, isolated, keepingFocus, press, setText, setUsable, show } from "../dom.js";
import { ask } from "../parts/dialog.js";
import { choice, field, revealable, tellWrong, wrongPassword } from "../parts/field.js";
import { reduceUser } from "../state.js";
import { linkTo } from "../views.js";
import { dateAndTime, explain, FIELD_OF_REASON, ROLES } from "../words.js";

export function open(app, life, { params }) {
  const { connection } = app;
  const userId = params.user_id;
  let user = null;

  const name = bdi("Account");
  const title = h("h1", { tabindex: "-1", "data-focus": true }, name);
  const state = h("span", { class: "status", data: { testid: "user-state" } });
  const since = h("p", { class: "hint" });
  const quiet = h("p", { class: "empty", role: "status" }, "Looking for the account…");
  const account = accountForm(app, userId);
  const password = passwordForm(app, userId);
  const access = accessCard(app, userId);
  const connections = h("a", { class: "button", href: linkTo("connections", {}, { user_id: userId }) }, "Connections");
  const parts = h("div", { class: "player-parts" }, account.element, password.element, access.element);

  function draw() {
    keepingFocus(element, () => {
      show(parts, user !== null);
      show(state, user !== null);
      show(connections, user !== null);
      if (!user) return;
      setText(name, user.username);
      setText(state, user.disabled ? "Disabled" : "May come in");
      setText(since, `Since ${dateAndTime(user.created_at)}`);
      account.update(user);
      access.update(user);
    }, () => title);
    if (user) app.title(isolated(user.username));
  }

  const element = h("section", { class: "stack", data: { testid: "user", userId } },
    h("p", {}, h("a", { href: linkTo("users") }, "All people")),
    h("div", { class: "view-head" }, title, state, h("div", { class: "spring" }, connections)),
    since, quiet, parts);
  draw();

  life.join(connection.rooms, `user:${userId}`, {
    snapshot(view) {
      user = view;
      show(quiet, false);
      draw();
    },
    event(name, data) {
      user = reduceUser(user, name, data);
      show(quiet, user === null);
      setText(quiet, "This account was deleted.");
      draw();
    },
    gone(failure) {
      setText(quiet, failure.code === "not_found" ? "There is no such account (any more)." : explain(failure));
    },
  });
  return { title: "Account", element };
}

/** Sends a form once at a time, and says what is wrong where it is. */
function sends(form, button, fields, check, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (tellWrong(fields, new Map(Object.entries(check()).filter(([, message]) => message)))) return;
    press(button, async () => {
      try {
        await act();
      } catch (failure) {
        const named = FIELD_OF_REASON[failure.reason] ?? Object.keys(fields)[0];
        tellWrong(fields, failure.byField.size ? failure.byField : new Map([[named, explain(failure)]]));
      }
    });
  });
}

function accountForm({ connection, notice }, userId) {
  const role = choice("role", "Role", Object.entries(ROLES), { hint: "Another role closes this person's connections; they come back with it." });
  const email = field("email", "E-mail", { type: "email", autocomplete: "off", maxlength: 254, hint: "Empty for none." });
  const save = h("button", { type: "submit", class: "primary", data: { testid: "save" } }, "Save");
  const element = h("form", { class: "card form", novalidate: true, "aria-labelledby": "account-title" },
    h("h2", { id: "account-title" }, "Account"), role.element, email.element, h("div", { class: "row" }, save));
  const inputs = { role: role.input, email: email.input };
  let known = null;

  const changed = () => Object.keys(inputs).filter((name) => inputs[name].value.trim() !== known[name]);
  const look = () => setUsable(save, changed().length > 0);
  for (const input of Object.values(inputs)) input.addEventListener("input", look);

  sends(element, save, { role, email }, () => ({}), async () => {
    const given = { role: role.input.value, email: email.input.value.trim() || null };
    const data = Object.fromEntries(changed().map((name) => [name, given[name]]));
    await connection.command("users.update", { user_id: userId, ...data });
    notice("Saved.", "good");
  });

  /** Takes in what the server says; what is being changed here is left alone. */
  function update(user) {
    const next = { role: user.role, email: user.email ?? "" };
    for (const [name, input] of Object.entries(inputs)) {
      if (!known || input.value.trim() === known[name]) input.value = next[name];
    }
    known = next;
    look();
  }
  return { element, update };
}

function passwordForm({ connection, notice }, userId) {
  const password = field("password", "New password", { type: "password", autocomplete: "new-password", hint: "All log-ins of this person end." });
  const save = h("button", { type: "submit", data: { testid: "set-password" } }, "Set password");
  const element = h("form", { class: "card form", novalidate: true, "aria-labelledby": "password-title" },
    h("h2", { id: "password-title" }, "Password"), password.element, h("div", { class: "row" }, save));
  revealable(password);
  sends(element, save, { password }, () => ({ password: wrongPassword(password.input.value) }), async () => {
    await connection.command("users.update", { user_id: userId, password: password.input.value });
    password.input.value = "";
    notice("The password is set.", "good");
  });
  return { element };
}

function accessCard(app, userId) {
  const { connection } = app;
  let user = null;
  const words = h("p", {});
  const access = h("button", { type: "button", data: { testid: "access" } });
  const remove = h("button", { type: "button", class: "danger", data: { testid: "delete" } }, "Delete account…");
  const element = h("section", { class: "card form", "aria-labelledby": "access-title" },
    h("h2", { id: "access-title" }, "Access"), words, h("div", { class: "row" }, access, remove));

  access.addEventListener("click", () => press(access, async () => {
    try {
      await connection.command(user.disabled ? "users.enable" : "users.disable", { user_id: userId });
    } catch (failure) {
      app.notice(explain(failure), "bad");
    }
  }));

  remove.addEventListener("click", async () => {
    const name = field("typed", "Type the name of the account", { autocomplete: "off" });
    const deleted = await ask({
      title: `Delete ${isolated(user.username)}?`,
      words: "The account, its player and its log-ins are gone for good. What it did in battles stays.",
      fields: { typed: name },
      confirm: "Delete for good",
      danger: true,
      check: ({ typed }) => ({ typed: typed.trim() === user.username ? null : `Type ${isolated(user.username)}.` }),
      send: () => connection.command("users.delete", { user_id: userId }),
    });
    if (!deleted) return;
    app.notice(`${isolated(user.username)} was deleted.`, "good");
    app.go(linkTo("users"));
  });

  function update(view) {
    user = view;
    setText(words, user.disabled ? "This person is kept out." : "This person may log in.");
    setText(access, user.disabled ? "Let in again" : "Keep out");
  }
  return { element, update };
}
