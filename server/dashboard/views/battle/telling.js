/** Events in words, for the feed. Single blows are left to the eye: they would drown the rest. */

import { sentence } from "../../dom.js";
import { capital, number } from "../../words.js";

/** Writes an event to the feed. `before` is the state before it: who it was and what it hit. */
export function tellEvent(feed, name, data, meta, before, me) {
  const told = TELLING[name]?.(data, (id) => (id === me ? "You" : (before.seats[id]?.name ?? "Someone")), before);
  if (name === "battles.chat_said") feed.said(data.line, data.line.player_id === me);
  else if (told) feed.told(...told);
}

const verb = (name, one, other) => (name === "You" ? other : one);

const TELLING = {
  "battles.started": () => ["The battle begins."],
  "battles.wave_started": ({ wave, enemies }) => [`Wave ${wave}: ${enemies.map((e) => capital(e.type)).join(", ")}.`, "strong"],
  "battles.player_joined": ({ seat }) => [sentence`${seat.name} takes a seat.`],
  "battles.player_away": ({ player_id }, who) => [sentence`${who(player_id)} lost the connection.`],
  "battles.player_returned": ({ player_id }, who) => {
    const name = who(player_id);
    return [sentence`${name} ${verb(name, "is", "are")} back.`];
  },
  "battles.player_left": ({ player_id, reason }, who) => {
    const name = who(player_id);
    return [reason === "dropped" ? sentence`${name} did not come back.` : sentence`${name} ${verb(name, "leaves", "leave")}.`];
  },
  "battles.enemy_defeated": ({ enemy_id, player_id }, who, before) => {
    const enemy = before.enemies.find((each) => each.enemy_id === enemy_id);
    const name = who(player_id);
    return [sentence`${name} ${verb(name, "brings", "bring")} ${enemy ? `down the ${capital(enemy.type)}` : "down an enemy"}.`, "good"];
  },
  "battles.player_down": ({ player_id }, who) => {
    const name = who(player_id);
    return [sentence`${name} ${verb(name, "goes", "go")} down.`, "bad"];
  },
  "battles.player_revived": ({ player_id }, who) => {
    const name = who(player_id);
    return [sentence`${name} ${verb(name, "is", "are")} up again.`, "good"];
  },
  "battles.completed": () => ["Victory! The last wave has fallen.", "strong"],
  "battles.abandoned": ({ reason }) => [
    reason === "all_down" ? "Defeat: everyone was down." : "The battle was given up: nobody had a seat.",
    "bad",
  ],
  "battles.reward_claimed": ({ player_id, gold, exp }, who) => {
    const name = who(player_id);
    return [sentence`${name} ${verb(name, "takes", "take")} ${number(gold)} gold and ${number(exp)} exp.`];
  },
};
