/** What is around every view: the header, the navigation, and going from one view to the next. */

import { setData } from "../dom.js";
import { Life } from "../life.js";
import { find, linkTo, VIEWS } from "../views.js";
import { problemView } from "../views/problem.js";
import { header } from "./header.js";
import { navigation } from "./navigation.js";

/** Fills `place` {header, side, main}, and shows the view that the location names. */
export function shell(app, place) {
  const life = new Life();
  const nav = navigation(app);
  const head = header(app, life, nav.button);
  let turn = 0;
  let view = null;
  let fresh = document.activeElement === document.body;

  place.header.replaceChildren(head);
  place.side.replaceChildren(nav.element);

  /** Shows the view that the location names. The one that is shown stays until the next one is there. */
  async function route() {
    const mine = ++turn;
    const home = VIEWS.find((each) => each.label && app.may(each.permission));
    if (/^#?\/?$/.test(location.hash) && home) history.replaceState(null, "", linkTo(home.name));
    const found = find(location.hash);
    const open = await opener(found, home);
    if (mine !== turn || life.over) return;
    show(open, found);
  }

  async function opener(found, home) {
    if (!found) return problemView("There is nothing here", "The address may be mistyped, or what was here is gone.", home);
    if (!app.may(found.view.permission)) {
      return problemView("This is not for your account", "Your role does not include what is shown here.", home);
    }
    try {
      const module = await found.view.load();
      return (life) => module.open(app, life, found);
    } catch {
      return problemView("This could not be loaded", "The server can't be reached just now.", null, route);
    }
  }

  function show(open, found) {
    view?.close();
    view = life.child();
    const { title, element } = open(view);
    app.title(title);
    nav.mark(found?.view ?? null);
    place.main.replaceChildren(element);
    setData(place.main, "view", found?.view.name ?? "");
    window.scrollTo(0, 0);
    // At the first load the reader begins at the top of the page, at the link that skips what repeats.
    if (!fresh) (element.querySelector("[data-focus]") ?? place.main).focus({ preventScroll: true });
    fresh = false;
  }

  life.listen(window, "hashchange", route);
  // What a view remembers of itself in its address, without going anywhere.
  app.remember = (query) => {
    const { view: here, params } = find(location.hash);
    history.replaceState(null, "", linkTo(here.name, params, query));
  };
  app.go = (hash) => (location.hash === hash ? route() : (location.hash = hash));
  route();

  return {
    /** The rights have changed: what may be seen is drawn anew. Who may not stay is brought home. */
    redraw() {
      nav.draw();
      const found = find(location.hash);
      if (found && !app.may(found.view.permission)) history.replaceState(null, "", "#/");
      route();
    },
    close() {
      life.close();
      for (const each of [place.header, place.side]) each.replaceChildren();
    },
  };
}
