/**
 * Reducers: a snapshot and an event give the next state. Pure, and no DOM.
 * The law: a stale snapshot and the events after it equal a fresh snapshot.
 * A state is never changed in place, and what an event leaves alone stays the same object,
 * so that a view can tell by identity what to draw anew. An unknown event changes nothing but `seq`.
 */

export const CHAT_KEPT = 50;

/** The state of room `battle:<id>` after an event. */
export function reduceBattle(battle, name, data, meta) {
  const next = BATTLE[name]?.(battle, data) ?? battle;
  const seq = meta?.seq ?? battle.seq;
  return next.seq === seq ? next : { ...next, seq };
}

/** The state of room `listing:<id>` after an event. */
export function reduceListing(line, name, data) {
  return name === "battles.listed" ? data.battle : line;
}

/** The state of room `profile:<id>` after an event. */
export function reduceProfile(profile, name, data) {
  return name === "players.profile_changed" ? data.profile : profile;
}

/** The state of room `player:<id>` after an event. */
export function reducePlayer(view, name, data) {
  return PLAYER[name]?.(view, data) ?? view;
}

/** The state of room `user:<id>` after an event: null once the account is deleted. */
export function reduceUser(user, name, data) {
  if (name === "users.deleted") return null;
  return name === "users.changed" ? data.user : user;
}

/** By kind of room. */
export const REDUCERS = {
  battle: reduceBattle,
  listing: reduceListing,
  player: reducePlayer,
  profile: reduceProfile,
  user: reduceUser,
};

const BATTLE = {
  "battles.created": ({ seq }, { battle }) => ({ ...battle, seq }),

  "battles.started": (battle, { at, next_hit_at }) => ({
    ...battle,
    status: "in_progress",
    started_at: at,
    next_hit_at,
  }),

  "battles.wave_started": (battle, { wave, enemies }) => ({ ...battle, wave, enemies }),

  "battles.player_joined": (battle, { seat, at }) =>
    occupancy({ ...battle, seats: { ...battle.seats, [seat.player_id]: seat } }, at),

  "battles.player_away": (battle, { player_id, at }) => withSeat(battle, player_id, () => ({ away_at: at })),

  "battles.player_returned": (battle, { player_id }) => withSeat(battle, player_id, () => ({ away_at: null })),

  "battles.player_left": (battle, { player_id, at }) =>
    occupancy(
      withSeat(battle, player_id, () => ({ seated: false, away_at: null })),
      at,
    ),

  "battles.struck": (battle, { player_id, enemy_id, damage, enemy_hp }) =>
    withSeat(withEnemy(battle, enemy_id, enemy_hp), player_id, (seat) => ({ damage: seat.damage + damage })),

  // The blow before it took the last hp.
  "battles.enemy_defeated": (battle) => battle,

  "battles.enemies_struck": (battle, { hits, next_hit_at }) =>
    hits.reduce((struck, { player_id, hp }) => withSeat(struck, player_id, () => ({ hp })), {
      ...battle,
      next_hit_at,
    }),

  "battles.player_down": (battle, { player_id, at }) =>
    occupancy(
      withSeat(battle, player_id, () => ({ hp: 0, down_at: at })),
      at,
    ),

  "battles.player_revived": (battle, { player_id, hp }) => ({
    ...withSeat(battle, player_id, () => ({ hp, down_at: null })),
    all_down_since: null,
  }),

  "battles.chat_said": (battle, { line }) => ({
    ...battle,
    chat: [...battle.chat, line].slice(-CHAT_KEPT),
  }),

  "battles.completed": (battle, { rewards, at }) =>
    Object.keys(battle.seats).reduce(
      (rewarded, player_id) => withSeat(rewarded, player_id, () => ({ reward: rewards[player_id] ?? null })),
      { ...battle, ...ended("completed", at) },
    ),

  "battles.abandoned": (battle, { at }) => ({ ...battle, ...ended("abandoned", at) }),

  "battles.reward_claimed": (battle, { player_id }) =>
    withSeat(battle, player_id, ({ reward }) => ({ reward: reward && { ...reward, claimed: true } })),
};

const PLAYER = {
  "players.changed": (view, { player }) => ({ ...view, player }),
  "players.stamina": (view, { stamina }) => ({ ...view, stamina }),
};

function withSeat(battle, playerId, change) {
  const seat = battle.seats[playerId];
  if (!seat) return battle;
  return { ...battle, seats: { ...battle.seats, [playerId]: { ...seat, ...change(seat) } } };
}

function withEnemy(battle, enemyId, hp) {
  const at = battle.enemies.findIndex((enemy) => enemy.enemy_id === enemyId);
  if (at < 0 || battle.enemies[at].hp === hp) return battle;
  return { ...battle, enemies: battle.enemies.with(at, { ...battle.enemies[at], hp }) };
}

function ended(status, at) {
  return { status, ended_at: at, next_hit_at: null, empty_since: null, all_down_since: null };
}

/** Since when nobody is seated, or all who are are down: from `at`, where it has just become so. */
function occupancy(battle, at) {
  const seated = Object.values(battle.seats).filter((seat) => seat.seated);
  const allDown = seated.length > 0 && seated.every((seat) => seat.down_at !== null);
  return {
    ...battle,
    empty_since: seated.length === 0 ? (battle.empty_since ?? at) : null,
    all_down_since: allDown ? (battle.all_down_since ?? at) : null,
  };
}
