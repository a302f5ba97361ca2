/** One card to log in or to make an account. */

import { h, setAttribute, setText, show } from "../dom.js";
import { explain } from "../words.js";
import { mark } from "./emblems.js";

const PASSWORD_BYTES = { least: 8, most: 72 };
const FIELD_OF_REASON = { username_taken: "username", email_taken: "email" };

export function loginView(session, why, done) {
  const username = field("username", "Name", { autocomplete: "username", maxlength: 254, "data-focus": true });
  const password = field("password", "Password", { type: "password", autocomplete: "current-password" });
  const email = field("email", "E-mail (optional)", { type: "email", autocomplete: "email", maxlength: 254 });
  const fields = { username, password, email };

  const reveal = h("button", { type: "button", class: "quiet reveal", "aria-pressed": "false" }, "Show");
  reveal.addEventListener("click", () => {
    const shown = password.input.type === "password";
    password.input.type = shown ? "text" : "password";
    setAttribute(reveal, "aria-pressed", shown);
    setText(reveal, shown ? "Hide" : "Show");
  });
  password.box.append(reveal);

  const problem = h("p", { class: "problem", role: "alert", data: { testid: "form-error" } }, why);
  show(problem, Boolean(why));

  const loginButton = h("button", { type: "submit", class: "primary", data: { testid: "login" } }, "Log in");
  const registerButton = h("button", { type: "button", data: { testid: "register" } }, "Create account");
  registerButton.addEventListener("click", () => submit(registerButton, checkNew, () =>
    session.register(username.input.value.trim(), password.input.value, email.input.value.trim()),
  ));

  const form = h(
    "form",
    { novalidate: true, class: "card login-card", "aria-labelledby": "login-title" },
    h("h2", { id: "login-title" }, "Take your place"),
    problem,
    username.element,
    password.element,
    h("details", { class: "more" }, h("summary", {}, "New here?"),
      h("p", { class: "hint" }, "A name of 3 to 20 letters, digits, _ or -, and a password of 8 characters or more. An e-mail address lets you log in with it as well."),
      email.element),
    h("div", { class: "row" }, loginButton, registerButton),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(loginButton, checkKnown, () => session.login(username.input.value.trim(), password.input.value));
  });

  let under = false;

  async function submit(button, check, send) {
    if (under) return;
    clear();
    const wrong = check();
    if (wrong.size) return tell(wrong, null);
    under = true;
    setAttribute(button, "aria-busy", "true");
    try {
      await send();
      done();
    } catch (failure) {
      refuse(failure);
    } finally {
      under = false;
      setAttribute(button, "aria-busy", null);
    }
  }

  function checkKnown() {
    const wrong = new Map();
    if (!username.input.value.trim()) wrong.set("username", "Enter your name or e-mail address.");
    if (!password.input.value) wrong.set("password", "Enter your password.");
    return wrong;
  }

  function checkNew() {
    const wrong = new Map();
    if (!/^[A-Za-z0-9_-]{3,20}$/.test(username.input.value.trim())) {
      wrong.set("username", "3 to 20 letters, digits, _ or -.");
    }
    const bytes = new TextEncoder().encode(password.input.value).length;
    if (bytes < PASSWORD_BYTES.least) wrong.set("password", "At least 8 characters.");
    if (bytes > PASSWORD_BYTES.most) wrong.set("password", "At most 72 bytes.");
    return wrong;
  }

  function refuse(failure) {
    const wrong = new Map([...failure.byField].filter(([name]) => name in fields));
    const named = FIELD_OF_REASON[failure.reason];
    if (named) wrong.set(named, explain(failure));
    const unknown = failure.code === "unauthenticated" ? "The name or the password is not right." : explain(failure);
    tell(wrong, wrong.size ? null : unknown);
  }

  function tell(wrong, text) {
    for (const [name, message] of wrong) fields[name].tell(message);
    if (wrong.has("email")) email.element.closest("details").open = true;
    setText(problem, text ?? "");
    show(problem, Boolean(text));
    const [first] = wrong.keys();
    (first ? fields[first].input : password.input).focus();
  }

  function clear() {
    for (const each of Object.values(fields)) each.tell("");
    show(problem, false);
  }

  const element = h(
    "section",
    { class: "login" },
    h("div", { class: "login-words" }, mark(), h("h1", {}, "Warroom"),
      h("p", {}, "Battles fought together, blow by blow, as they happen.")),
    form,
  );
  return { title: "Log in", element, close() {} };
}

function field(name, label, attributes) {
  const error = h("p", { class: "field-error", id: `${name}-error`, data: { testid: `${name}-error` } });
  const input = h("input", {
    id: name,
    name,
    type: "text",
    autocapitalize: "none",
    spellcheck: "false",
    "aria-describedby": error.id,
    data: { testid: name },
    ...attributes,
  });
  const box = h("div", { class: "input-box" }, input);
  const element = h("div", { class: "field" }, h("label", { for: name }, label), box, error);
  const tell = (message) => {
    setText(error, message);
    setAttribute(input, "aria-invalid", message ? "true" : null);
  };
  return { element, input, box, tell };
}
