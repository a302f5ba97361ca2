/** Who is logged in, and the tokens that prove it. */

import * as api from "./api.js";

const KEY = "warroom.refresh";
const RENEW_AT_RATIO = 0.75;
const SPARE_MS = 5000;
const RETRY_MS = 5000;
const LONGEST_MS = 86_400_000;

/** Tells `renewed` with every new access token, and `ended` (detail: why, or null) when logged out. */
export class Session extends EventTarget {
  user = null;
  token = null;

  // sessionStorage: the refresh token is gone with the tab, and two tabs don't use up one token.
  // The access token is in memory only: it is worth nothing to what reads the storage later.
  #storage = window.sessionStorage;
  #expiresAt = 0;
  #timer = null;
  #refreshing = null;

  async login(username, password) {
    this.#begin(await api.login(username, password));
  }

  async register(username, password, email) {
    this.#begin(await api.register(username, password, email));
  }

  /** Goes on with the session that the tab had before a reload. Whether there was one. */
  async restore() {
    if (!this.#storage.getItem(KEY)) return false;
    await this.refresh();
    return this.user !== null;
  }

  /** A token that is good for some seconds at least. Raises Failure. */
  async fresh() {
    if (Date.now() > this.#expiresAt - SPARE_MS) await this.refresh();
    return this.token;
  }

  /** A new access token, asked for once whoever waits. Raises Failure; ends where it was refused. */
  refresh() {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async logout() {
    const refreshToken = this.#storage.getItem(KEY);
    this.end(null);
    if (refreshToken) await api.logout(refreshToken).catch(() => {});
  }

  /** Forgets everything. `why` is shown to the reader. */
  end(why) {
    clearTimeout(this.#timer);
    this.#storage.removeItem(KEY);
    this.user = this.token = null;
    this.#expiresAt = 0;
    this.dispatchEvent(new CustomEvent("ended", { detail: why }));
  }

  async #refresh() {
    const refreshToken = this.#storage.getItem(KEY);
    try {
      const found = await api.refresh(refreshToken ?? "");
      // Logged out meanwhile: what came is of no use any more.
      if (this.#storage.getItem(KEY) === refreshToken) this.#begin(found);
    } catch (failure) {
      const final = !failure.retryable && failure.code !== "internal";
      if (final && this.#storage.getItem(KEY) === refreshToken) this.end("Your session has ended. Log in again.");
      throw failure;
    }
  }

  #begin({ user, tokens }) {
    this.user = user;
    this.token = tokens.access_token;
    this.#storage.setItem(KEY, tokens.refresh_token);
    this.#expiresAt = Date.now() + tokens.expires_in * 1000;
    this.#schedule(tokens.expires_in * 1000 * RENEW_AT_RATIO);
    this.dispatchEvent(new CustomEvent("renewed", { detail: this.token }));
  }

  #schedule(ms) {
    clearTimeout(this.#timer);
    const renew = () => this.refresh().catch(() => this.user && this.#schedule(RETRY_MS));
    this.#timer = setTimeout(renew, Math.min(ms, LONGEST_MS));
  }
}
