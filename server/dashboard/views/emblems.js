/** Drawings: the mark of the house, and one emblem for each type of enemy. */

import { svg } from "../dom.js";

// Silhouettes on a field of 64; what the even-odd rule leaves out are eyes and mouths.
const EMBLEMS = {
  goblin:
    "M32 13c9 0 15 5 16.500 12L62 19c-.5 10-6 16-13.500 17.500C47 47 40 54 32 54s-15-7-16.500-17.500C8 35 2.500 29 2 19l13.500 6C17 18 23 13 32 13z" +
    "M20 30l9 4.500c-1 3-6 3.500-8 .5zM44 30l-9 4.500c1 3 6 3.500 8 .5zM23 43l4 4 3-3 2 3 2-3 3 3 4-4c-5 2-13 2-18 0z",
  orc:
    "M19 12l13-4 13 4 5 11 4 3-2 9-3 2c1 6-1 12-5 15l-6 4H26l-6-4c-4-3-6-9-5-15l-3-2-2-9 4-3z" +
    "M18 26l11 3.500c0 3-6 4.500-9 2zM46 26l-11 3.500c0 3 6 4.500 9 2zM20 40l3 6.500 3-4.500h12l3 4.500 3-6.500-4 9H24zM30 35h4l1 3h-6z",
  troll:
    "M32 6c6 0 10 4 11 9l4 1 10 14 3 24-9 4-3-12-4 12H20l-4-12-3 12-9-4 3-24 10-14 4-1c1-5 5-9 11-9z" +
    "M25 17a2.600 2.600 0 1 0 5 0zM34 17a2.600 2.600 0 1 0 5 0zM30.500 21h3l1.500 6h-6zM24 30h16l-2 4H26zM20 42h24v3H20z",
  lizardman:
    "M8 38c2-9 9-14 15-16l-2-9 8 6 2-11 7 10 8-6-1 11c7 4 12 11 12 20l-7-3 2 9-8-5-2 10-8-6c-7 5-17 6-24 3l-2-7z" +
    "M33 26a4.500 4.500 0 1 0 9 0c-3-2-6-2-9 0zM12 41c8 1 15 0 22-4l-2 5c-6 4-12 4-18 3z",
  demon:
    "M16 24C9 21 5 14 7 4c4 7 9 11 15 12 3-2 6-3 10-3s7 1 10 3c6-1 11-5 15-12 2 10-2 17-9 20 2 11-2 20-9 27l-7 9-7-9c-7-7-11-16-9-27z" +
    "M20 29l10 6c-2 4-8 3-10-6zM44 29l-10 6c2 4 8 3 10-6zM25 43c5-2 9-2 14 0l-3 4-1.500-2-2.500 3-2.500-3-1.500 2z",
  dragon:
    "M32 10l7 5 12-11-3 15 10 2-8 7 5 8-9 1-3 9-5 12-6 3-6-3-5-12-3-9-9-1 5-8-8-7 10-2-3-15 12 11z" +
    "M21 27l9 5c-1 3-6 3-9-5zM43 27l-9 5c1 3 6 3 9-5zM28 46l3 1.500-2 2.500zM36 46l-3 1.500 2 2.500zM27 53h10l-5 2z",
  undead:
    "M32 7c14 0 23 9 23 21 0 8-3 12-8 15v8l-5 5h-4l-1-4h-3l-.5 4h-3L30 52h-3l-1 4h-4l-5-5v-8C12 40 9 36 9 28 9 16 18 7 32 7z" +
    "M17 29a6.500 6.500 0 1 0 13 0 6.500 6.500 0 1 0-13 0zM34 29a6.500 6.500 0 1 0 13 0 6.500 6.500 0 1 0-13 0zM32 37l3.500 7h-7z",
};

export function emblem(type) {
  return svg(
    "svg",
    { class: `emblem emblem-${type}`, viewBox: "0 0 64 64", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: EMBLEMS[type] ?? EMBLEMS.undead, "fill-rule": "evenodd" }),
  );
}

export function mark() {
  return svg(
    "svg",
    { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: "M6 9l4.500 14L16 12l5.500 11L26 9" }),
    svg("path", { class: "mark-ring", d: "M16 2.500a13.500 13.500 0 1 1 0 27 13.500 13.500 0 0 1 0-27z" }),
  );
}

// Drawn by a line of even width on a field of 24.
const ICONS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  battles: "M5 3l13 13M15 19l4-4M17 17l4 4M19 3L6 16M9 19l-4-4M7 17l-4 4",
  player: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM5 20c.500-4 3-6 7-6s6.500 2 7 6",
  players: "M9 12a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM3 19c.400-3.500 2.500-5 6-5s5.600 1.500 6 5M16 5.500a3.500 3.500 0 0 1 0 6.500M18 14.500c1.800.700 2.700 2.200 3 4.500",
  users: "M4 5h16v14H4zM9 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM6 16c.300-1.700 1.300-2.500 3-2.500s2.700.800 3 2.500M15 10h3M15 13h3",
  protocol: "M5 4h11l3 3v13H5zM9 9h6M9 13h6M9 17h4",
  connections: "M12 20v-5M8 9V4M16 9V4M6 9h12v2a6 6 0 0 1-12 0z",
};

/** The drawing of a view in the navigation; a plain square for one that has none yet. */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: ICONS[name] ?? "M5 5h14v14H5z" }),
  );
}
