/** Who fights: hp, damage dealt, and whether they are down, away or gone. */

import { bar, bdi, h, isolated, keyed, setData, setText, show } from "../../dom.js";
import { number } from "../../words.js";
import { flash, float } from "./floats.js";

export function seatList(me) {
  const count = h("span", { class: "count" });
  const list = h("ul", { class: "seats" });
  const empty = h("p", { class: "hint" }, "Nobody has taken a seat yet.");
  const rows = keyed(list, ({ seat }) => seat.player_id, ({ seat }) => seatRow(seat, me));
  const element = h("section", { class: "card", "aria-labelledby": "seats-title" },
    h("h2", { id: "seats-title" }, "Seats ", count), empty, list);
  let last = null;
  let items = new Map();

  function update({ battle }) {
    if (battle.seats === last) return;
    last = battle.seats;
    const all = Object.values(battle.seats);
    const seats = [...all.filter((seat) => seat.player_id === me), ...all.filter((seat) => seat.player_id !== me)];
    const most = Math.max(1, ...seats.map((seat) => seat.damage));
    // A row is drawn anew where its seat or its share of the longest bar has changed.
    const next = new Map(seats.map((seat) => {
      const before = items.get(seat.player_id);
      return [seat.player_id, before?.seat === seat && before.most === most ? before : { seat, most }];
    }));
    items = next;
    rows.render([...next.values()]);
    setText(count, `${seats.filter((seat) => seat.seated).length} of ${battle.max_players}`);
    show(empty, seats.length === 0);
  }

  /** Shows the blows of one beat: a player's together, as they fall at once. */
  function blows(hits) {
    const sums = new Map();
    for (const { player_id, damage } of hits) sums.set(player_id, (sums.get(player_id) ?? 0) + damage);
    for (const [player_id, damage] of sums) {
      const row = rows.get(player_id);
      if (!row) continue;
      flash(row.element, "hurt");
      float(row.floats, `−${number(damage)}`, ["hurt", player_id === me && "mine"].filter(Boolean));
    }
  }

  return { element, update, blows };
}

function seatRow({ player_id, name }, me) {
  const state = h("span", { class: "seat-state" });
  const level = h("span", { class: "seat-level" });
  const hp = bar("hp", `Hit points of ${isolated(name)}`);
  const hpText = h("span", { class: "seat-hp" });
  const damage = bar("damage", `Damage by ${isolated(name)}`);
  const damageText = h("span", { class: "seat-damage" });
  const floats = h("div", { class: "floats", "aria-hidden": "true" });
  const element = h(
    "li",
    { class: "seat", data: { testid: "seat", playerId: player_id, mine: player_id === me } },
    h("div", { class: "seat-top" }, h("b", { class: "seat-name" }, bdi(name)), player_id === me ? h("span", { class: "you" }, "you") : null, level, state),
    h("div", { class: "seat-figures" }, h("div", { class: "seat-bars" }, hp.element, damage.element), hpText, damageText),
    floats,
  );

  function update({ seat, most }) {
    const word = !seat.seated ? "Left" : seat.down_at ? "Down" : seat.away_at ? "Away" : "";
    setText(state, word);
    setData(element, "state", word.toLowerCase() || "up");
    setData(element, "hp", seat.hp);
    setText(level, `Level ${seat.level}`);
    hp.set(seat.hp / seat.max_hp, `${seat.hp} of ${seat.max_hp}`);
    setText(hpText, `${number(seat.hp)} hp`);
    damage.set(seat.damage / most, number(seat.damage));
    setText(damageText, `${number(seat.damage)} dmg`);
  }
  return { element, update, floats };
}
