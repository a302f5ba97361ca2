/** Building and changing elements. Text is only ever set as text. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `props`: `on` {event: listener}, `data` {key: value}, `class`, and attributes (true, false
 * or null switch one on or off). Children are nodes, texts, lists of them, or null.
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Text of others, isolated: letters of a right-to-left script in it turn nothing around it. */
export const bdi = (text, props = {}) => h("bdi", props, text);

/** The same within a string: a title, a notice, an attribute. Source: UAX #9, FSI and PDI. */
export const isolated = (text) => `\u2068${text}\u2069`;

/** A sentence with texts of others in it, as the tag of a template: the nodes and texts of a line. */
export const sentence = (parts, ...texts) => parts.flatMap((part, i) => (i ? [bdi(texts[i - 1]), part] : [part]));

function fill(element, { on = {}, data = {}, ...attributes }, children) {
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  for (const [key, value] of Object.entries(data)) element.dataset[key] = value;
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

// What is there already isn't written again: writing costs layout, and makes live regions speak.

export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value === true ? "" : value)) {
    element.setAttribute(name, value === true ? "" : value);
  }
}

export function setData(element, key, value) {
  if (element.dataset[key] !== String(value)) element.dataset[key] = value;
}

export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/** A button that can't be used now, but keeps its focus and can say why. */
export function setUsable(button, usable) {
  setAttribute(button, "aria-disabled", usable ? null : "true");
}

export function usable(button) {
  return button.getAttribute("aria-disabled") !== "true";
}

/**
 * Does what a button is for, not twice at once; meanwhile the button shows it.
 * Null where it can't be used now, or is at it already.
 */
export async function press(button, act) {
  if (!usable(button) || button.getAttribute("aria-busy")) return null;
  setAttribute(button, "aria-busy", "true");
  try {
    return await act();
  } finally {
    setAttribute(button, "aria-busy", null);
  }
}

/**
 * Draws, and does not lose the focus by it: where what had it was hidden or removed, `refuge()` gets it.
 */
export function keepingFocus(root, draw, refuge) {
  const held = document.activeElement;
  const inside = root.contains(held);
  draw();
  if (!inside || (held.isConnected && held.checkVisibility())) return;
  refuge()?.focus({ preventScroll: true });
}

/** A bar of 0..1, with its words. `set(ratio, text)` changes it. */
export function bar(kind, label) {
  const trail = h("div", { class: "bar-trail" });
  const part = h("div", { class: "bar-fill" });
  const element = h(
    "div",
    { class: `bar bar-${kind}`, role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 },
    trail,
    part,
  );
  let last = -1;
  const set = (ratio, text, trailRatio = ratio) => {
    const now = clampRatio(ratio);
    if (now + 10 * trailRatio !== last) {
      last = now + 10 * trailRatio;
      part.style.setProperty("--ratio", now.toFixed(4));
      trail.style.setProperty("--ratio", clampRatio(trailRatio).toFixed(4));
      setAttribute(element, "aria-valuenow", Math.round(now * 100));
    }
    setAttribute(element, "aria-valuetext", text);
  };
  return { element, set };
}

/**
 * Keeps the children of `parent` in step with a list. `make(item)` gives {element, update(item)};
 * an item that is the same object as before costs nothing. Returns render(items), update(item) for one that
 * stays where it is, and get(key).
 */
export function keyed(parent, keyOf, make) {
  let parts = new Map();
  const render = (items) => {
    const next = new Map();
    let at = parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      const part = parts.get(key) ?? { ...make(item), item: null };
      next.set(key, part);
      if (part.item !== item) part.update(item);
      part.item = item;
      if (part.element === at) at = at.nextElementSibling;
      else parent.insertBefore(part.element, at);
    }
    for (const [key, part] of parts) if (!next.has(key)) part.element.remove();
    parts = next;
  };
  const update = (item) => {
    const part = parts.get(keyOf(item));
    part.update(item);
    part.item = item;
  };
  return { render, update, get: (key) => parts.get(key) };
}

function clampRatio(ratio) {
  return Number.isFinite(ratio) ? Math.max(0, Math.min(1, ratio)) : 0;
}
