/** What a view has taken while it is open: all of it is given back when the view is left. */

export class Life {
  over = false;
  #ends = new Set();

  /** `end` is called when this is over, or earlier by what is returned; once. */
  add(end) {
    if (this.over) {
      end();
      return () => {};
    }
    const once = () => {
      if (this.#ends.delete(once)) end();
    };
    this.#ends.add(once);
    return once;
  }

  /** Something within this that may end earlier. */
  child() {
    const life = new Life();
    const forget = this.add(() => life.close());
    life.add(forget);
    return life;
  }

  listen(target, name, listener, options) {
    target.addEventListener(name, listener, options);
    return this.add(() => target.removeEventListener(name, listener, options));
  }

  watch(cell, watcher) {
    return this.add(cell.watch(watcher));
  }

  every(ms, act) {
    const timer = setInterval(act, ms);
    return this.add(() => clearInterval(timer));
  }

  after(ms, act) {
    const timer = setTimeout(() => {
      cancel();
      act();
    }, ms);
    const cancel = this.add(() => clearTimeout(timer));
    return cancel;
  }

  /** Joins a room for as long as this lasts. For `handlers` see rooms.js. */
  join(rooms, room, handlers) {
    return this.add(rooms.join(room, handlers));
  }

  close() {
    this.over = true;
    for (const end of [...this.#ends].reverse()) end();
  }
}
