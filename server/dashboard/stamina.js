/** Stamina as a function of the moment; pure. It grows by `regen` every `interval_s`, up to `maximum`. */

/**
 * Stamina at a moment (server milliseconds): the whole `amount`, `toward` the next step (0..1),
 * and `nextInMs` until it, null where it is full.
 */
export function staminaAt(stamina, nowMs) {
  const next = stamina.next_at === null ? NaN : Date.parse(stamina.next_at);
  const full = { amount: stamina.amount, toward: 0, nextInMs: null };
  if (Number.isNaN(next) || stamina.amount >= stamina.maximum) return full;

  const interval = stamina.interval_s * 1000;
  const steps = nowMs < next ? 0 : 1 + Math.floor((nowMs - next) / interval);
  const amount = Math.min(stamina.maximum, stamina.amount + steps * stamina.regen);
  if (amount >= stamina.maximum) return { ...full, amount };

  const nextInMs = next + steps * interval - nowMs;
  return { amount, toward: clamp(1 - nextInMs / interval), nextInMs };
}

/** The same stamina after it was spent down to `amount`: the interval under way goes on. */
export function spentTo(stamina, amount, nowMs) {
  const { nextInMs } = staminaAt(stamina, nowMs);
  const interval = stamina.interval_s * 1000;
  const next = amount < stamina.maximum ? new Date(nowMs + (nextInMs ?? interval)).toISOString() : null;
  return { ...stamina, amount, at: new Date(nowMs).toISOString(), next_at: next };
}

function clamp(ratio) {
  return Math.max(0, Math.min(1, ratio));
}
