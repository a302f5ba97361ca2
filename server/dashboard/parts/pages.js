/**
 * A long list, a page at a time; its rows are live while they are seen. So opening it costs the same
 * however long it is.
 */

import { h, keyed, keepingFocus, press, setAttribute, setText, show } from "../dom.js";
import { explain } from "../words.js";
import { whileSeen } from "./seen.js";

/**
 * `list`: the element that is shown where there are rows; `rows` holds them, where it is another one. `ask(cursor)` gives {items, next}. `keyOf(item)`, and
 * `make(item)` as in `keyed`. `words`: {looking, none}, for an empty list.
 * `live`: {rooms, room(key), next(item, name, data), gone(key)}: each row's room and how an event changes
 * its item; without it rows stay as they were.
 */
export function pages(life, { list, rows: holder = list, ask, keyOf, make, words, live = null }) {
  let items = [];
  let cursor = null;
  let turn = 0;
  let unwatch = new Map();

  const state = h("p", { role: "status" });
  const again = h("button", { type: "button" }, "Try again");
  const quiet = h("div", { class: "empty", data: { testid: "list-state" } }, state, again);
  const more = h("button", { type: "button", class: "more-rows", data: { testid: "more" } }, "Show more");
  const element = h("div", { class: "stack pages" }, list, quiet, more);
  const rows = keyed(holder, keyOf, make);
  const watch = live && whileSeen(life, (key) => follow(key));

  function follow(key) {
    return live.rooms.join(live.room(key), {
      snapshot: (item) => set(item),
      event(name, data) {
        const item = items.find((each) => keyOf(each) === key);
        if (item) set(live.next(item, name, data));
      },
      gone: () => live.gone?.(key),
    });
  }

  function draw() {
    keepingFocus(element, () => {
      rows.render(items);
      show(list, items.length > 0);
      show(quiet, items.length === 0);
      show(more, cursor !== null);
    }, () => (items.length ? list : element).querySelector("a, button, [tabindex]"));
    if (watch) rewatch();
  }

  function rewatch() {
    const next = new Map();
    for (const item of items) {
      const key = keyOf(item);
      next.set(key, unwatch.get(key) ?? watch(rows.get(key).element, key));
    }
    for (const [key, stop] of unwatch) if (!next.has(key)) stop();
    unwatch = next;
  }

  function say(text, failed = false) {
    setText(state, text);
    show(again, failed);
  }

  /** Asks from the start. What was shown stays until the answer is there. */
  async function reload() {
    const mine = ++turn;
    setAttribute(element, "aria-busy", "true");
    say(words.looking);
    try {
      const page = await ask(null);
      if (mine !== turn || life.over) return;
      items = page.items;
      cursor = page.next ?? null;
      say(words.none);
    } catch (failure) {
      if (mine !== turn || life.over) return;
      items = [];
      cursor = null;
      say(explain(failure), true);
    }
    setAttribute(element, "aria-busy", null);
    draw();
  }

  async function turnPage() {
    const mine = turn;
    try {
      const page = await ask(cursor);
      if (mine !== turn || life.over) return;
      const known = new Set(items.map(keyOf));
      const fresh = page.items.filter((item) => !known.has(keyOf(item)));
      items = [...items, ...fresh];
      cursor = page.next ?? null;
      draw();
      // Whoever asked for more by a key goes on reading there.
      const [first] = fresh;
      if (first) rows.get(keyOf(first)).element.querySelector("a, button")?.focus({ preventScroll: true });
    } catch (failure) {
      setText(more, `${explain(failure)} Try again`);
    }
  }

  /** A row as it is now. */
  function set(item) {
    const at = items.findIndex((each) => keyOf(each) === keyOf(item));
    if (at < 0 || items[at] === item) return;
    items = items.with(at, item);
    keepingFocus(list, () => rows.update(item), () => rows.get(keyOf(item)).element.querySelector("a, button"));
  }

  more.addEventListener("click", () => press(more, () => {
    setText(more, "Show more");
    return turnPage();
  }));
  again.addEventListener("click", reload);
  show(list, false);
  show(more, false);
  reload();

  return {
    element,
    reload,
    set,
    items: () => items,
    /** Rows that were found meanwhile, before the others; of these only those that `keep` says. */
    put(found, keep = () => true) {
      const known = new Set(found.map(keyOf));
      items = [...found, ...items.filter((item) => !known.has(keyOf(item)) && keep(item))];
      draw();
      return rows.get(keyOf(items[0]))?.element ?? null;
    },
    /** A row that is no more. */
    drop(key) {
      items = items.filter((item) => keyOf(item) !== key);
      draw();
    },
    /** Draws all rows anew: something that they show beside their items has changed. */
    redraw: () => items.forEach((item) => rows.get(keyOf(item))?.update(item)),
  };
}
