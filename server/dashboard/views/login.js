/** One card to log in or to make an account. */

import { h, press, setText, show } from "../dom.js";
import { field, revealable, tellWrong, wrongPassword, wrongUsername } from "../parts/field.js";
import { themeSwitch } from "../shell/theme.js";
import { explain, FIELD_OF_REASON } from "../words.js";
import { mark } from "./emblems.js";

export function loginView(session, why, done) {
  const username = field("username", "Name", { autocomplete: "username", maxlength: 254, "data-focus": true });
  const password = field("password", "Password", { type: "password", autocomplete: "current-password" });
  const email = field("email", "E-mail (optional)", { type: "email", autocomplete: "email", maxlength: 254 });
  const fields = { username, password, email };
  revealable(password);

  const problem = h("p", { class: "callout callout-bad problem", role: "alert", data: { testid: "form-error" } }, why);
  show(problem, Boolean(why));

  const loginButton = h("button", { type: "submit", class: "primary", data: { testid: "login" } }, "Log in");
  const registerButton = h("button", { type: "button", data: { testid: "register" } }, "Create account");
  const more = h("details", { class: "more" }, h("summary", {}, "New here?"),
    h("p", { class: "hint" }, "A name of 3 to 20 letters, digits, _ or -, and a password of 8 characters or more. An e-mail address lets you log in with it as well."),
    email.element);
  const form = h(
    "form",
    { novalidate: true, class: "card form login-card", "aria-labelledby": "login-title" },
    h("h2", { id: "login-title" }, "Take your place"),
    problem,
    username.element,
    password.element,
    more,
    h("div", { class: "row" }, loginButton, registerButton),
  );
  const name = () => username.input.value.trim();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wrong = new Map();
    if (!name()) wrong.set("username", "Enter your name or e-mail address.");
    if (!password.input.value) wrong.set("password", "Enter your password.");
    submit(loginButton, wrong, () => session.login(name(), password.input.value));
  });
  registerButton.addEventListener("click", () => {
    const checks = { username: wrongUsername(name()), password: wrongPassword(password.input.value) };
    const wrong = new Map(Object.entries(checks).filter(([, message]) => message));
    submit(registerButton, wrong, () => session.register(name(), password.input.value, email.input.value.trim()));
  });

  function submit(button, wrong, send) {
    show(problem, false);
    if (tellWrong(fields, wrong) || loginButton.ariaBusy || registerButton.ariaBusy) return;
    press(button, async () => {
      try {
        await send();
      } catch (failure) {
        return refuse(failure);
      }
      done();
    });
  }

  function refuse(failure) {
    const wrong = new Map([...failure.byField].filter(([each]) => each in fields));
    const named = FIELD_OF_REASON[failure.reason];
    if (named) wrong.set(named, explain(failure));
    if (wrong.has("email")) more.open = true;
    if (tellWrong(fields, wrong)) return;
    setText(problem, failure.code === "unauthenticated" ? "The name or the password is not right." : explain(failure));
    show(problem, true);
    password.input.focus();
  }

  const element = h(
    "section",
    { class: "login" },
    h("div", { class: "login-words" }, mark(), h("h1", {}, "Warroom"),
      h("p", {}, "Battles fought together, blow by blow, as they happen.")),
    form,
    themeSwitch(),
  );
  return { title: "Log in", element };
}
