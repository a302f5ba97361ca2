/** What the server answered instead of doing what it was asked. */

const RETRYABLE = new Set(["rate_limited", "busy", "unavailable", "timed_out"]);

export class Failure extends Error {
  constructor({ code, message, reason, field, errors, retry_after_ms, details }) {
    super(message ?? code);
    this.code = code;
    this.reason = reason ?? null;
    this.field = field ?? null;
    this.errors = errors ?? [];
    this.retryAfterMs = retry_after_ms ?? null;
    this.details = details ?? {};
  }

  /** Whether the same message may be sent again. */
  get retryable() {
    return RETRYABLE.has(this.code);
  }

  /** Message by field, for those that name one. */
  get byField() {
    const found = new Map(this.errors.map(({ field, message }) => [field, message]));
    if (this.field && !found.has(this.field)) found.set(this.field, this.message);
    return found;
  }
}
