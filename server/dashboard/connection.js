/** The one socket: its life, and calls over it that outlive a drop. */

import { io } from "/vendor/socket.io.esm.min.js";
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
 * Tells `state` (connecting, live, reconnecting, offline) and `resumed` (detail: {verdict, missed}).
 * Each live event is also told on the document as `warroom:event` with {name, data, meta}:
 * the place for an extension to listen at.
 */
export class Connection extends EventTarget {
  state = "connecting";
  rooms = new Rooms((name, data, accept) => this.call(name, data, accept), announce);

  #session;
  #socket;
  #stopped = false;
  #wasLive = false;
  #failures = 0;
  #refusals = 0;
  #timer = null;
  #onOnline = () => this.#connectNow();
  #onOffline = () => this.#socket.connected || this.#become("offline");
  #onRenewed = ({ detail: token }) => this.#renew(token);

  constructor(session) {
    super();
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
      reconnectionDelay: FIRST_DELAY_MS,
      reconnectionDelayMax: LONGEST_DELAY_MS,
    });
    this.#socket.on("connect", () => this.#connected());
    this.#socket.on("disconnect", (reason) => this.#dropped(reason));
    this.#socket.on("connect_error", (error) => this.#notConnected(error));
    this.#socket.onAny((name, data, meta) => this.#receive(name, data, meta ?? {}));
  }

  start() {
    window.addEventListener("online", this.#onOnline);
    window.addEventListener("offline", this.#onOffline);
    this.#session.addEventListener("renewed", this.#onRenewed);
    this.#socket.connect();
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
        await this.#live(deadline);
        reply = await this.#emit(name, data, accept);
      } while (reply === null);
      if (reply.ok) return reply.data;
      const failure = new Failure(reply.error);
      const pause = failure.retryAfterMs ?? Math.random() * Math.min(4000, 200 * 2 ** attempt);
      if (!failure.retryable || attempt === ATTEMPTS || Date.now() + pause > deadline) throw failure;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
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

  #connected() {
    this.#failures = this.#refusals = 0;
    this.#socket.io.reconnectionDelay(FIRST_DELAY_MS);
    this.#become("live");
    if (this.#wasLive) {
      this.rooms.resume().then((found) => {
        if (found) this.dispatchEvent(new CustomEvent("resumed", { detail: found }));
      });
    }
    this.#wasLive = true;
  }

  #dropped(reason) {
    if (this.#stopped) return;
    this.#become(navigator.onLine ? "reconnecting" : "offline");
    // socket.io comes back by itself from everything but the server's own goodbye.
    if (reason === "io server disconnect") this.#connectIn(this.#socket.io.reconnectionDelay());
  }

  #notConnected(error) {
    if (this.#stopped) return;
    if (!this.#socket.active) return this.#refused(error.data ?? {});
    this.#failures += 1;
    const away = !navigator.onLine || this.#failures >= OFFLINE_AFTER;
    this.#become(away ? "offline" : this.#wasLive ? "reconnecting" : "connecting");
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

  #connectIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connectNow(), ms);
  }

  #connectNow() {
    clearTimeout(this.#timer);
    if (this.#stopped || this.#socket.connected) return;
    // A wait between two attempts is cut short: the manager has no call of its own for that.
    if (this.#socket.active) this.#socket.disconnect();
    this.#socket.connect();
  }

  #renew(token) {
    if (this.#socket.connected) this.call("auth.renew", { token }).catch(() => {});
  }

  #receive(name, data, meta) {
    noteServerTime(meta.at);
    if (meta.room) return this.rooms.receive(name, data, meta);
    if (name === "auth.expired") this.#expired(data.reason);
    if (name === "server.closing") {
      this.#socket.io.reconnectionDelay(Math.max(FIRST_DELAY_MS, data.retry_after_ms ?? 0));
    }
    announce(name, data, meta);
  }

  #expired(reason) {
    if (reason in ENDED) this.#session.end(ENDED[reason]);
    else this.#session.refresh().catch(() => {});
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

function announce(name, data, meta) {
  document.dispatchEvent(new CustomEvent("warroom:event", { detail: { name, data, meta } }));
}
