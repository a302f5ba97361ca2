/** The one socket: its life, and calls over it that outlive a drop. */

import { io } from "/vendor/socket.io.esm.min.js";
import { cell } from "./cell.js";
import { noteServerTime } from "./clock.js";
import { Failure } from "./failure.js";
import { uuid7 } from "./ids.js";
import { Rooms } from "./rooms.js";
import { ENDED } from "./words.js";

const ACK_TIMEOUT_MS = 8000;
const PATIENCE_MS = 30_000;
const ATTEMPTS = 6;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8000;
const OFFLINE_AFTER = 4;

/**
 * Each live event is also told on the document as `warroom:event` with {name, data, meta}:
 * the place for an extension to listen at.
 */
export class Connection {
  /**
   * {state: connecting | live | reconnecting | offline, since, retryAt}: moments in milliseconds of the
   * reader's clock; `retryAt` is null while an attempt is under way, or none is needed.
   */
  status = cell({ state: "connecting", since: Date.now(), retryAt: null });
  /** What the last return found: {verdict, missed, reason, at}; null before the first. */
  found = cell(null);
  /** Why the server let this connection go the last time, as it said: {name, reason, message, at}. */
  parted = cell(null);
  rooms = new Rooms((name, data, accept) => this.call(name, data, accept), announce);

  #session;
  #socket;
  #stopped = false;
  #trying = false;
  #wasLive = false;
  #failures = 0;
  #refusals = 0;
  #leastDelay = 0;
  #timer = null;
  // Until when a kind of message is held back, as the server has told us to wait.
  #heldUntil = new Map();
  #onOnline = () => this.#connectNow();
  #onOffline = () => this.#socket.connected || this.#become("offline");
  #onRenewed = ({ detail: token }) => this.#renew(token);

  constructor(session) {
    this.#session = session;
    this.#socket = io({
      auth: (give) => this.#session.fresh().then(
        (token) => give({ token }),
        () => give({ token: this.#session.token ?? "" }),
      ),
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      forceNew: true,
      autoConnect: false,
      // Coming back is ours, whatever broke: so it is known when the next attempt is.
      reconnection: false,
    });
    this.#socket.on("connect", () => this.#connected());
    this.#socket.on("disconnect", () => this.#dropped());
    this.#socket.on("connect_error", (error) => this.#notConnected(error));
    this.#socket.onAny((name, data, meta) => this.#receive(name, data, meta ?? {}));
  }

  get live() {
    return this.status.get().state === "live";
  }

  /** websocket or polling; null while there is no connection. */
  get transport() {
    return this.#socket.connected ? this.#socket.io.engine.transport.name : null;
  }

  start() {
    window.addEventListener("online", this.#onOnline);
    window.addEventListener("offline", this.#onOffline);
    this.#session.addEventListener("renewed", this.#onRenewed);
    this.#connectNow();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    window.removeEventListener("online", this.#onOnline);
    window.removeEventListener("offline", this.#onOffline);
    this.#session.removeEventListener("renewed", this.#onRenewed);
    this.rooms.forget();
    this.#socket.disconnect();
  }

  /** Does something, exactly once: every retry carries the same request_id. Raises Failure. */
  command(name, data) {
    return this.call(name, { ...data, request_id: uuid7() });
  }

  /**
   * Asks, and asks again where that may help, for half a minute at most. Raises Failure.
   * `accept` gets the answer in the very turn in which it came in.
   */
  async call(name, data, accept) {
    const deadline = Date.now() + PATIENCE_MS;
    for (let attempt = 1; ; attempt++) {
      let reply;
      do {
        await this.#held(name);
        await this.#live(deadline);
        reply = await this.#emit(name, data, accept);
      } while (reply === null);
      if (reply.ok) return reply.data;
      const failure = new Failure(reply.error);
      const pause = failure.retryAfterMs ?? Math.random() * Math.min(4000, 200 * 2 ** attempt);
      if (failure.code === "rate_limited") this.#hold(name, pause);
      if (!failure.retryable || attempt === ATTEMPTS || Date.now() + pause > deadline) throw failure;
      await sleep(pause);
    }
  }

  /** Cuts the wait for the next attempt short. */
  retry() {
    this.#connectNow();
  }

  /** One attempt; null where the connection went away under it. */
  #emit(name, data, accept) {
    return new Promise((resolve) => {
      this.#socket.timeout(ACK_TIMEOUT_MS).emit(name, data, (error, reply) => {
        if (error && !this.#socket.connected) return resolve(null);
        if (error) return resolve({ ok: false, error: { code: "timed_out", message: "No answer came." } });
        if (reply.ok) accept?.(reply.data);
        resolve(reply);
      });
    });
  }

  #live(deadline) {
    if (this.#socket.connected) return null;
    return new Promise((resolve, reject) => {
      const give = () => {
        clearTimeout(timer);
        this.#socket.off("connect", give);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#socket.off("connect", give);
        reject(new Failure({ code: "unavailable", message: "There is no connection to the server." }));
      }, deadline - Date.now());
      this.#socket.on("connect", give);
    });
  }

  // Rooms are joined and left by the dozen as one scrolls: all of them wait when one is told to.
  #hold(name, ms) {
    this.#heldUntil.set(kindOf(name), Date.now() + ms);
  }

  async #held(name) {
    for (;;) {
      const ms = (this.#heldUntil.get(kindOf(name)) ?? 0) - Date.now();
      if (ms <= 0) return;
      await sleep(ms);
    }
  }

  #connected() {
    this.#trying = false;
    this.#failures = this.#refusals = this.#leastDelay = 0;
    this.#become("live");
    if (this.#wasLive) {
      this.rooms.resume().then((found) => found && this.found.set({ ...found, at: Date.now() }));
    }
    this.#wasLive = true;
  }

  #dropped() {
    this.#trying = false;
    if (this.#stopped) return;
    this.#become(navigator.onLine ? "reconnecting" : "offline");
    this.#connectIn(this.#delay());
  }

  #notConnected(error) {
    this.#trying = false;
    if (this.#stopped) return;
    if (!this.#socket.active) return this.#refused(error.data ?? {});
    this.#failures += 1;
    const away = !navigator.onLine || this.#failures >= OFFLINE_AFTER;
    this.#become(away ? "offline" : this.#wasLive ? "reconnecting" : "connecting");
    this.#connectIn(this.#delay());
  }

  /** The server answered the handshake with a no. */
  #refused({ code, message, retry_after_ms }) {
    this.#refusals += 1;
    const pause = retry_after_ms ?? Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#refusals);
    if (code === "forbidden") return this.#session.end(message ?? "You may not connect.");
    if (code !== "unauthenticated") return this.#connectIn(pause);
    if (this.#refusals > 2) return this.#session.end("Your session has ended. Log in again.");
    this.#session.refresh().then(
      () => this.#connectNow(),
      () => this.#session.user && this.#connectIn(pause),
    );
  }

  /** Doubles with each failure, and is spread: a thousand pages that lost a server don't return as one. */
  #delay() {
    const most = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures);
    return Math.max(this.#leastDelay, most * (0.5 + Math.random()));
  }

  #connectIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connectNow(), ms);
    this.status.set({ ...this.status.get(), retryAt: Date.now() + ms });
  }

  #connectNow() {
    clearTimeout(this.#timer);
    // One attempt at a time: a second one would greet twice on the same transport.
    if (this.#stopped || this.#trying || this.#socket.connected) return;
    this.#trying = true;
    this.status.set({ ...this.status.get(), retryAt: null });
    this.#socket.connect();
  }

  #renew(token) {
    if (this.#socket.connected) this.call("auth.renew", { token }).catch(() => {});
  }

  #receive(name, data, meta) {
    noteServerTime(meta.at);
    if (meta.room) return this.rooms.receive(name, data, meta);
    if (name === "auth.expired") this.#expired(data.reason);
    if (name === "server.closing") this.#leastDelay = data.retry_after_ms ?? 0;
    if (PARTING.has(name)) this.parted.set({ name, reason: data.reason, message: data.message, at: Date.now() });
    announce(name, data, meta);
  }

  #expired(reason) {
    if (reason in ENDED) this.#session.end(ENDED[reason]);
    else this.#session.refresh().catch(() => {});
  }

  #become(state) {
    const { state: before, since } = this.status.get();
    this.status.set({ state, since: state === before ? since : Date.now(), retryAt: null });
  }
}

const PARTING = new Set(["auth.expired", "server.closing", "server.evicted"]);

const kindOf = (name) => (name.startsWith("rooms.") ? "rooms" : name);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function announce(name, data, meta) {
  document.dispatchEvent(new CustomEvent("warroom:event", { detail: { name, data, meta } }));
}
