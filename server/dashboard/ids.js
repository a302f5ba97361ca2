/** Ids that the page makes: one a command, so that a retry is recognised. */

/** A new UUIDv7: 48 bits of Unix milliseconds, 74 random bits. Source: RFC 9562, 5.7. */
export function uuid7(atMs = Date.now()) {
  const raw = crypto.getRandomValues(new Uint8Array(16));
  let ms = atMs;
  for (let i = 5; i >= 0; i--) {
    raw[i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  raw[6] = 0x70 | (raw[6] & 0x0f);
  raw[8] = 0x80 | (raw[8] & 0x3f);
  const hex = Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
