/** What is done for a row only while it is seen. */

// Rows that fly by as one scrolls are left alone; one that is out of sight for a moment is kept.
const SETTLE_MS = 150;
const LINGER_MS = 1500;

/**
 * Calls start(key) for each watched element once it is in sight, and what that returned once it has
 * been out of sight for a while. Returns watch(element, key).
 */
export function whileSeen(life, start) {
  const rows = new Map();

  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) settle(rows.get(target), isIntersecting);
  });

  function settle(row, seen) {
    if (!row) return;
    clearTimeout(row.timer);
    if (seen === (row.stop !== null)) return;
    row.timer = setTimeout(() => change(row, seen), seen ? SETTLE_MS : LINGER_MS);
  }

  function change(row, seen) {
    row.stop?.();
    row.stop = seen ? start(row.key) : null;
  }

  /** Returns what stops watching. */
  function watch(element, key) {
    const row = { key, stop: null, timer: null };
    rows.set(element, row);
    observer.observe(element);
    return () => {
      observer.unobserve(element);
      rows.delete(element);
      clearTimeout(row.timer);
      change(row, false);
    };
  }

  life.add(() => {
    observer.disconnect();
    for (const row of rows.values()) {
      clearTimeout(row.timer);
      change(row, false);
    }
  });
  return watch;
}
