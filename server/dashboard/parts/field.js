/** A labelled field of a form, with its hint and its error. */

import { h, setAttribute, setText } from "../dom.js";

let made = 0;

/** `name` is the field's in messages; its test id, unless `attributes` say otherwise. */
export function field(name, label, { hint = null, ...attributes } = {}) {
  const id = `${name}-${++made}`;
  const input = h("input", { id, name, type: "text", dir: "auto", autocapitalize: "none", spellcheck: "false", data: { testid: name }, ...attributes });
  return around(input, id, label, hint, name);
}

/** A choice among `options`, [value, label] each. */
export function choice(name, label, options, { hint = null, ...attributes } = {}) {
  const id = `${name}-${++made}`;
  const select = h("select", { id, name, data: { testid: name }, ...attributes },
    options.map(([value, words]) => h("option", { value }, words)));
  return around(select, id, label, hint, name);
}

function around(input, id, label, hint, name) {
  const error = h("p", { class: "field-error", id: `${id}-error`, data: { testid: `${name}-error` } });
  const help = hint && h("p", { class: "hint", id: `${id}-hint` }, hint);
  setAttribute(input, "aria-describedby", [help?.id, error.id].filter(Boolean).join(" "));
  const box = h("div", { class: "input-box" }, input);
  const element = h("div", { class: "field" }, h("label", { for: id }, label), box, help, error);
  const tell = (message) => {
    setText(error, message);
    setAttribute(input, "aria-invalid", message ? "true" : null);
  };
  return { element, input, box, tell };
}

/** A choice among few, all in sight: [value, label] each. `chosen(value)` is called when it changes. */
export function segments(legend, options, now, chosen) {
  const name = `segments-${++made}`;
  const choices = options.map(([value, label]) => {
    const input = h("input", { type: "radio", name, value, checked: value === now });
    input.addEventListener("change", () => chosen(value));
    return h("label", { data: { testid: `choose-${value}` } }, input, h("span", {}, label));
  });
  return h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, legend), choices);
}

/** Lets a password be read while it is typed. */
export function revealable({ input, box }) {
  const reveal = h("button", { type: "button", class: "quiet reveal", "aria-pressed": "false" }, "Show");
  reveal.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    setAttribute(reveal, "aria-pressed", String(shown));
    setText(reveal, shown ? "Hide" : "Show");
  });
  box.append(reveal);
}

const PASSWORD_BYTES = { least: 8, most: 72 };

/** What is wrong with a new name or password, as the server would say it; null where nothing is. */
export const wrongUsername = (text) =>
  /^[A-Za-z0-9_-]{3,20}$/.test(text) ? null : "3 to 20 letters, digits, _ or -.";

export function wrongPassword(text) {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes < PASSWORD_BYTES.least) return "At least 8 characters.";
  return bytes > PASSWORD_BYTES.most ? "At most 72 bytes." : null;
}

/**
 * Tells each field what is wrong with it, and goes to the first. `wrong`: message by name.
 * Whether there was any.
 */
export function tellWrong(fields, wrong) {
  for (const [name, each] of Object.entries(fields)) each.tell(wrong.get(name) ?? "");
  const first = Object.keys(fields).find((name) => wrong.has(name));
  fields[first]?.input.focus();
  return first !== undefined;
}
