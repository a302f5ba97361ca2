/** Where one's seat is, for the way back after a look elsewhere. A hint only: the server knows. */

const KEY = "warroom.seat";

export const seatMemory = {
  get(me) {
    const [who, battleId] = (sessionStorage.getItem(KEY) ?? "").split(" ");
    return who === me ? battleId : null;
  },
  set(me, battleId) {
    sessionStorage.setItem(KEY, `${me} ${battleId}`);
  },
  clear(me, battleId) {
    if (this.get(me) === battleId) sessionStorage.removeItem(KEY);
  },
};
