/** The registry of views and what views take. Run: node --test tests/browser/ */

import assert from "node:assert/strict";
import { test } from "node:test";

const page = new URL("../../server/dashboard/", import.meta.url);
const { find, linkTo, VIEWS } = await import(new URL("views.js", page));
const { Life } = await import(new URL("life.js", page));

test("each view is found where its link leads, with what the link says", () => {
  for (const { name, path } of VIEWS) {
    const params = Object.fromEntries([...path.matchAll(/:(\w+)/g)].map(([, key]) => [key, "a b/ü?"]));
    const found = find(linkTo(name, params, { search: "x&y", cursor: null, role: "" }));
    assert.equal(found.view.name, name);
    assert.deepEqual(found.params, params);
    assert.deepEqual(found.query, { search: "x&y" });
  }
});

test("what names no view is not found, and breaks nothing", () => {
  for (const hash of ["#/nowhere", "#/battles/a/b", "#/battles/%E0%A4%A", "#", ""]) assert.equal(find(hash), null);
});

test("views have names of their own, stand within each other, and load a module that opens", async () => {
  const names = VIEWS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const view of VIEWS) {
    assert.ok(view.label ? view.group : names.includes(view.within), view.name);
    assert.equal(typeof (await view.load()).open, "function", view.name);
  }
});

test("what a life has taken it gives back once, the latest first, and at once when it is over", () => {
  const ends = [];
  const life = new Life();
  const early = life.add(() => ends.push("early"));
  life.add(() => ends.push("first"));
  life.child().add(() => ends.push("child"));
  early();
  early();
  life.close();
  life.close();
  life.add(() => ends.push("late"));
  assert.deepEqual(ends, ["early", "child", "first", "late"]);
});
