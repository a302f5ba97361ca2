/** What the reader reads: names of things, numbers, and failures in plain words. */

import { isolated } from "./dom.js";

const numbers = new Intl.NumberFormat("en");
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const hours = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export const number = (value) => numbers.format(value);
export const dateAndTime = (at) => days.format(new Date(at));
/** The time of a moment, and its day where that is not today. */
export const moment = (at) => (new Date(at).toDateString() === new Date().toDateString() ? timeOfDay(at) : dateAndTime(at));
export const timeOfDay = (at) => hours.format(new Date(at));

/** Source: the rules of the game; the server decides, this is what the buttons say. */
export const ATTACKS = [
  { kind: "quick", name: "Quick", stamina: 5, worth: "×0.7", crit: "" },
  { kind: "normal", name: "Normal", stamina: 10, worth: "×1", crit: "" },
  { kind: "power", name: "Power", stamina: 20, worth: "×1.5", crit: "+5 % crit" },
  { kind: "critical", name: "Critical", stamina: 35, worth: "×2.2", crit: "+15 % crit" },
  { kind: "ultimate", name: "Ultimate", stamina: 50, worth: "×3", crit: "+25 % crit" },
];

export const REVIVE_GEMS = 50;
export const DOWN_MS = 15 * 60_000;
export const CADENCE_MS = 10_000;
export const ALL_DOWN_MS = 60_000;
export const EMPTY_MS = 5 * 60_000;

export const DIFFICULTIES = ["easy", "medium", "hard", "epic", "legendary"];

export const STATUS = {
  waiting: "Waiting",
  in_progress: "Under way",
  completed: "Won",
  abandoned: "Lost",
};

export const CONNECTION = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
};

/** Why a session ended, where only a new log-in helps. */
export const ENDED = {
  logged_out: "You were logged out. Log in again.",
  disabled: "This account may not come in any more.",
  deleted: "This account is no more.",
};

export const TRANSPORTS = { websocket: "WebSocket", polling: "HTTP polling", plain: "WebSocket, plain" };

export const ROLES = { player: "Player", viewer: "Viewer", user: "Operator", admin: "Admin", agent: "Agent" };

/** What a return found, in few words. */
export function foundNote({ verdict, missed }) {
  if (verdict === "reset") return "Back again, started afresh";
  if (verdict === "gap_filled") return `Back again, ${number(missed)} missed ${missed === 1 ? "event" : "events"} caught up`;
  return "Back again, nothing was missed";
}

const RESETS = {
  epoch_changed: "The server's history was replaced.",
  history_pruned: "What was missed is not kept any more.",
  ahead: "The server has fallen behind what was seen here.",
  gap_too_large: "Too much was missed to tell it all.",
};

/** Why missed events could not be told. */
export const resetNote = ({ reason }) => RESETS[reason] ?? "";

const PARTINGS = {
  too_many_bytes: "This page could not keep up with what was sent to it, and was let go.",
  no_progress: "This page took nothing of what was sent to it, and was let go.",
  flooding: "This page sent too much too fast, and was let go.",
  expired: "The session was renewed.",
  rights_changed: "Your role was changed.",
};

/** Why the server ended a connection. An operator's words are quoted as they are. */
export function partedNote({ name, reason, message }) {
  if (reason === "disconnected") return `An operator disconnected you: “${isolated(message)}”`;
  if (name === "server.closing") return "The server was closed, perhaps to start again.";
  return PARTINGS[reason] ?? message ?? "The server ended the connection.";
}

/** `1536` → `1.5 kB`. */
export function bytes(amount) {
  if (amount < 1000) return `${amount} B`;
  const [value, unit] = amount < 1e6 ? [amount / 1e3, "kB"] : [amount / 1e6, "MB"];
  return `${numbers.format(Math.round(value * 10) / 10)} ${unit}`;
}

export function capital(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** `95000` → `1:35`; below a minute `42 s`. */
export function span(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

/** Exp from this level to the next. Source: `int(100 * 1.15 ** (L - 2))` for the step up to level L. */
export function expStep(level) {
  return Math.floor(100 * 1.15 ** (level - 1));
}

const REASONS = {
  not_seated: "You have no seat in this battle.",
  seated_elsewhere: "You have a seat in another battle. Leave that one first.",
  full: "Every seat is taken.",
  over: "This battle is over.",
  not_over: "This battle is not over yet.",
  level_too_low: "Your level is too low for this battle.",
  enemy_defeated: "That enemy has fallen already.",
  down: "You are down.",
  not_down: "You are up already.",
  no_reward: "There is no reward for you here.",
  already_claimed: "You have taken this reward already.",
  exhausted: "Not enough stamina. It grows back by itself.",
  not_enough_points: "You don't have that many points.",
  not_enough_gems: "You don't have enough gems.",
  no_player: "This account has no player.",
  username_taken: "This name is taken.",
  username_reserved: "This name is reserved. Choose another one.",
  email_taken: "This e-mail address is in use.",
  last_admin: "This is the last admin who may come in: make another one first.",
  registration_closed: "New accounts can't be made here at the moment.",
};

/** The field that a refusal is about. */
export const FIELD_OF_REASON = {
  username_taken: "username",
  username_reserved: "username",
  email_taken: "email",
};

const CODES = {
  rate_limited: "That was too fast. Try again in a moment.",
  busy: "The server is busy. Try again in a moment.",
  unavailable: "The server can't be reached just now.",
  timed_out: "No answer came. Try again.",
  forbidden: "Your account may not do that.",
  not_found: "That is not there (any more).",
  unauthenticated: "Log in again.",
};

/** A failure in plain words. */
export function explain(failure) {
  return REASONS[failure.reason] ?? CODES[failure.code] ?? failure.message;
}
