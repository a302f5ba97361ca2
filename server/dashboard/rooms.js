/**
 * Rooms: what was joined, how far each was seen, and going on from there after a drop.
 * Knows neither socket nor DOM.
 */

/** One room that was joined. `seen` is the last event that its state holds. */
class Membership {
  seen = null;
  left = false;
  entering = null;
  // Up to here the server has vouched for the order: what it replays may jump.
  vouched = 0;

  constructor(room, handlers) {
    this.room = room;
    this.handlers = handlers;
  }
}

export class Rooms {
  #call;
  #told;
  #joined = new Map();
  // Rooms whose leaving is under way: a room is joined again only after that, or it would end outside.
  #leaving = new Map();

  /**
   * `call(name, data, accept)` asks the server; `accept` runs before any event that follows the answer.
   * `told(name, data, meta)` hears of every event that was new.
   */
  constructor(call, told = () => {}) {
    this.#call = call;
    this.#told = told;
  }

  /**
   * Joins a room and stays in it. `handlers`: snapshot(state), event(name, data, meta),
   * entered(verdict) after each join, gone(failure) where it may not be joined.
   * Returns what leaves it again.
   */
  join(room, handlers) {
    const membership = new Membership(room, handlers);
    this.#joined.set(room, membership);
    this.#enter(membership);
    return () => this.#leave(membership);
  }

  /**
   * After a reconnect: joins all again. Resolves to what was found, the worst of all rooms: {verdict, missed},
   * where it is a reset with its `reason`; null without rooms.
   */
  async resume() {
    const found = await Promise.all([...this.#joined.values()].map((membership) => this.#enter(membership)));
    const verdicts = found.filter(Boolean);
    if (verdicts.length === 0) return null;
    const missed = verdicts.reduce((sum, verdict) => sum + (verdict.missed ?? 0), 0);
    const names = verdicts.map(({ verdict }) => verdict);
    const reset = verdicts.find(({ verdict }) => verdict === "reset");
    if (reset) return { verdict: "reset", missed, reason: reset.reason };
    if (names.includes("gap_filled")) return { verdict: "gap_filled", missed };
    return names.includes("resumed") ? { verdict: "resumed", missed } : null;
  }

  /** An event that came in. Old ones are ignored; a hole makes the room be joined again from before it. */
  receive(name, data, meta) {
    const membership = this.#joined.get(meta.room);
    if (!membership?.seen) return;
    if (meta.seq !== undefined) {
      const { seen } = membership;
      if (meta.epoch === seen.epoch && meta.seq <= seen.seq) return;
      const next = meta.seq === seen.seq + 1 || meta.seq <= membership.vouched;
      if (meta.epoch !== seen.epoch || !next) {
        this.#enter(membership);
        return;
      }
      membership.seen = { epoch: meta.epoch, seq: meta.seq };
    }
    membership.handlers.event(name, data, meta);
    this.#told(name, data, meta);
  }

  forget() {
    for (const membership of this.#joined.values()) membership.left = true;
    this.#joined.clear();
  }

  #enter(membership) {
    membership.entering ??= this.#ask(membership).finally(() => (membership.entering = null));
    return membership.entering;
  }

  /** Asks until there is a verdict, or a no for good: what keeps us out for now is no reason to give up. */
  async #ask(membership) {
    const { room, handlers } = membership;
    const accept = (verdict) => {
      if (!membership.left) this.#accept(membership, verdict);
    };
    if (this.#leaving.has(room)) await this.#leaving.get(room);
    while (!membership.left) {
      const since = membership.seen;
      try {
        return await this.#call("rooms.join", since ? { room, since } : { room }, accept);
      } catch (failure) {
        if (failure.retryable) continue;
        if (!membership.left) handlers.gone?.(failure);
        return null;
      }
    }
    return null;
  }

  #accept(membership, verdict) {
    const { handlers } = membership;
    const { epoch, seq } = verdict;
    membership.vouched = seq;
    if (verdict.verdict === "joined" || verdict.verdict === "reset") {
      membership.seen = { epoch, seq };
      handlers.snapshot(verdict.snapshot);
    }
    handlers.entered?.(verdict);
  }

  #leave(membership) {
    if (membership.left) return;
    membership.left = true;
    const { room, entering } = membership;
    if (this.#joined.get(room) === membership) this.#joined.delete(room);
    const leaving = this.#goOut(room, entering, this.#leaving.get(room)).finally(() => {
      if (this.#leaving.get(room) === leaving) this.#leaving.delete(room);
    });
    this.#leaving.set(room, leaving);
  }

  /** After the join that is under way, which would come last otherwise. */
  async #goOut(room, entering, leaving) {
    if (entering) await entering;
    if (leaving) await leaving;
    await this.#call("rooms.leave", { room }, () => {}).catch(() => {});
  }
}
