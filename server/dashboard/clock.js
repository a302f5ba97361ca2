/** The server's clock, guessed: countdowns must not depend on how the reader's clock is set. */

const JUMP_MS = 2000;

let offset = null;

/**
 * A moment that the server has told of. None lies in its future, so the latest one is the best guess.
 * `fresh` says that it was just made: a guess far off it is given up (the reader's clock was changed).
 */
export function noteServerTime(at, fresh = false) {
  const sample = Date.parse(at ?? "") - Date.now();
  if (Number.isNaN(sample)) return;
  const jumped = fresh && offset !== null && Math.abs(sample - offset) > JUMP_MS;
  if (offset === null || sample > offset || jumped) offset = sample;
}

/** The server's time now, in milliseconds. */
export function serverNow() {
  return Date.now() + (offset ?? 0);
}
