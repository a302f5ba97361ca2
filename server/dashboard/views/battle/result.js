/** The end of a battle: who did what, what it gave, and taking it. */

import { bdi, h, setData, setText, show } from "../../dom.js";
import { number } from "../../words.js";

export function resultPanel(me, claim) {
  const title = h("h2", { class: "result-title", tabindex: "-1" });
  const words = h("p", {});
  const rewardText = h("p", { class: "reward", data: { testid: "reward" } });
  const claimButton = h("button", { type: "button", class: "primary big", data: { testid: "claim" } }, "Claim your reward");
  const claimedText = h("p", { class: "hint", role: "status", data: { testid: "claimed" } });
  const rows = h("tbody");
  const table = h(
    "table",
    { class: "result-table" },
    h("thead", {}, h("tr", {}, ["Player", "Damage", "Share", "Gold", "Exp"].map((label) => h("th", { scope: "col" }, label)))),
    rows,
  );
  const element = h("section", { class: "card result", "aria-label": "Result", data: { testid: "result" } },
    title, words, rewardText, claimButton, claimedText, table);
  show(element, false);
  claimButton.addEventListener("click", () => claim(claimButton));
  let drawn = null;

  function update({ battle, seat, over }) {
    show(element, over);
    if (!over || drawn === battle.seats) return;
    drawn = battle.seats;
    const won = battle.status === "completed";
    const reward = seat?.reward ?? null;
    setData(element, "status", battle.status);
    setText(title, won ? "Victory" : "Defeat");
    setText(words, won ? "The last wave has fallen." : "The battle ended without a victory.");
    show(rewardText, reward !== null);
    show(claimButton, reward !== null && !reward.claimed);
    if (reward) {
      rewardText.replaceChildren(
        h("b", {}, number(reward.gold)), " gold ", h("b", {}, number(reward.exp)), " exp",
        reward.claimed ? h("span", { class: "status" }, "Claimed") : "",
      );
      setData(rewardText, "gold", reward.gold);
      setData(rewardText, "exp", reward.exp);
      setData(rewardText, "claimed", reward.claimed);
    }
    drawRows(Object.values(battle.seats));
  }

  function drawRows(seats) {
    const total = Math.max(1, seats.reduce((sum, seat) => sum + seat.damage, 0));
    const cells = (seat) => [
      number(seat.damage),
      `${Math.round((100 * seat.damage) / total)} %`,
      seat.reward ? number(seat.reward.gold) : "–",
      seat.reward ? number(seat.reward.exp) : "–",
    ];
    rows.replaceChildren(
      ...[...seats].sort((a, b) => b.damage - a.damage).map((seat) =>
        h("tr", { data: { mine: seat.player_id === me } },
          h("th", { scope: "row" }, bdi(seat.name)), cells(seat).map((text) => h("td", {}, text)))),
    );
    show(table, seats.length > 0);
  }

  /** What one has now. */
  function claimed({ total_gold, level }) {
    setText(claimedText, `You have ${number(total_gold)} gold now, at level ${level}.`);
  }

  /** What to focus on: the reward, while it waits to be taken. */
  const next = () => (claimButton.hidden ? title : claimButton);

  return { element, update, claimed, next };
}
