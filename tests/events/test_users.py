"""users.* by real clients: what whoever administers does to people, and what these notice."""

import asyncio
from typing import Any

import pytest

from protocol.auth import LoggedIn, Login, Register
from protocol.client import log_in, refresh, register
from protocol.errors import Failure
from protocol.ids import uuid7
from tests.contracts import users
from tests.contracts.contract import UNKNOWN
from tests.support.battles import easy_battle
from tests.support.engines import on_both_engines
from tests.support.people import PASSWORD, Person, connected, registered, turned_away
from tests.support.server import Server

EVERY = tuple(name.partition(".")[2] for name in users.CONTRACT.messages)
FIELDS: dict[str, dict[str, Any]] = {
    name.partition(".")[2]: {
        k: v for k, v in needs.data.items() if k != "user_id" and v is not None
    }
    for name, needs in users.CONTRACT.messages.items()
    if "user_id" in needs.data
}
ON_SOMEBODY = tuple(FIELDS)
NEW_PASSWORD = "another horse"
REACHES_WITHIN_S = 5


def new_name(begin: str = "u") -> str:
    """A username that nobody has."""
    return f"{begin}{uuid7().replace('-', '')[-15:]}"


async def ended(person: Person) -> list[str]:
    """Wait until the server has let somebody go. Returns the reasons that it gave."""
    async with asyncio.timeout(REACHES_WITHIN_S):
        await person.until_closed()
    await person.close()
    return [told["reason"] for told in person.named("auth.expired")]


async def can_log_in(server: Server, name: str, password: str = PASSWORD) -> LoggedIn | None:
    """The log-in, None where it is refused."""
    try:
        return await log_in(server.url, Login(name, password))
    except Failure as e:
        assert e.error.code == "unauthenticated"
        return None


async def first_admin(server: Server) -> Person:
    """The admin whom a new server has made."""
    password = (server.data_dir / "admin_password").read_text().strip()
    return await Person(server.url, await log_in(server.url, Login("admin", password))).connect()


# ---- looking


async def test_people_are_found_by_part_of_a_name_or_an_address(
    server: Server, admin: Person
) -> None:
    word = new_name("Z")
    by_name = await admin.ok("users.create", username=word, password=PASSWORD, role="viewer")
    by_email = await admin.ok(
        "users.create", username=new_name(), password=PASSWORD, email=f"x.{word}@Example.org"
    )
    found = await admin.ok("users.list", search=word[1:-1].upper())
    assert {user["user_id"] for user in found["items"]} == {by_name["user_id"], by_email["user_id"]}
    assert found["next"] is None
    only = await admin.ok("users.list", search=word, role="viewer")
    assert only["items"] == [by_name]
    assert (await admin.ok("users.list", search=f"{word}%"))["items"] == []


async def test_people_are_listed_in_pages(server: Server, admin: Person) -> None:
    word = new_name("q")[:14]
    made = [f"{word}{letter}" for letter in "abcde"]
    for name in made:
        await register(server.url, Register(name, PASSWORD))
    seen: list[str] = []
    cursor = None
    while True:
        page = await admin.ok("users.list", search=word, limit=2, cursor=cursor)
        seen += [user["username"] for user in page["items"]]
        assert len(page["items"]) <= 2
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made


async def test_one_person_is_got(server: Server, admin: Person) -> None:
    assert admin.logged_in is not None
    user = await admin.ok("users.get", user_id=admin.id)
    assert user == {
        "user_id": admin.id,
        "username": admin.logged_in.user.username,
        "email": None,
        "role": "admin",
        "disabled": False,
        "created_at": user["created_at"],
    }
    assert user["created_at"].endswith("Z")


# ---- adding


async def test_who_is_added_may_log_in_by_name_and_by_address_and_plays(
    server: Server, admin: Person
) -> None:
    name = new_name("N")
    fields = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
    user = await admin.ok("users.create", **fields)
    assert (user["role"], user["disabled"], user["email"]) == ("player", False, fields["email"])
    for login in (name.lower(), fields["email"].upper()):
        logged_in = await can_log_in(server, login)
        assert logged_in is not None
        assert logged_in.user.id == user["user_id"]
    person = await Person(server.url, logged_in).connect()
    assert (await person.ok("players.get"))["player"]["name"] == name
    await person.close()


async def test_a_name_and_an_address_are_taken_once(server: Server, admin: Person) -> None:
    name = new_name()
    fields = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
    await admin.ok("users.create", **fields)
    for other, reason in (
        ({"username": name.upper(), "email": None}, "username_taken"),
        ({"username": new_name(), "email": fields["email"].upper()}, "email_taken"),
    ):
        assert await admin.refused("users.create", **{**fields, **other}) == ("conflict", reason)


async def test_adding_again_with_the_same_request_id_adds_nobody(admin: Person) -> None:
    fields = {"username": new_name(), "request_id": uuid7()}
    first = await admin.ok("users.create", password=PASSWORD, **fields)
    assert await admin.ok("users.create", password=NEW_PASSWORD, **fields) == first
    found = await admin.ok("users.list", search=fields["username"])
    assert found["items"] == [first]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "no spaces"),
        ("username", "ab"),
        ("password", "short"),
        ("password", "x" * 73),
        ("password", "pass\0word"),
        ("email", "nobody"),
        ("role", "owner"),
    ],
)
async def test_who_can_not_be_is_not_added(admin: Person, field: str, value: str) -> None:
    fields = {"username": new_name(), "password": PASSWORD, field: value}
    answer = await admin.patiently("users.create", **fields)
    assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", field)
    assert value not in answer["error"]["message"] or field != "password"


async def test_a_password_that_is_none_changes_nothing(server: Server, admin: Person) -> None:
    name = new_name()
    user = await admin.ok("users.create", username=name, password=PASSWORD)
    for password in ("short", "x" * 73, "pass\0word"):
        answer = await admin.patiently("users.update", user_id=user["user_id"], password=password)
        assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "password")
    assert await can_log_in(server, name) is not None


async def test_passwords_are_kept_nowhere(server: Server, admin: Person) -> None:
    first, second = (f"pw-{uuid7()}" for _ in range(2))
    user = await admin.ok("users.create", username=new_name(), password=first, request_id=uuid7())
    fields = {"user_id": user["user_id"], "password": second}
    await admin.ok("users.update", **fields, request_id=uuid7())
    assert await admin.refused("users.update", **fields, role="owner")
    assert await admin.refused("users.create", username=second, password=first)
    found = server.log.read_text()
    for table in ("users", "room_events", "kept_replies", "rights_changes"):
        found += str(await server.rows(f"select * from {table}"))  # noqa: S608
    assert first not in found
    assert second not in found
    assert await can_log_in(server, user["username"], second) is not None


# ---- changing


async def test_another_role_closes_and_is_refreshed_into(server: Server, admin: Person) -> None:
    person = await connected(server.url)
    user = await admin.ok("users.update", user_id=person.id, role="viewer")
    assert user["role"] == "viewer"
    assert await ended(person) == ["rights_changed"]
    assert person.logged_in is not None
    viewer = await Person(
        server.url, await refresh(server.url, person.logged_in.tokens.refresh_token)
    ).connect()
    assert await viewer.refused("players.get") == ("forbidden", None)
    await viewer.close()


async def test_an_address_is_given_and_taken_away(server: Server, admin: Person) -> None:
    person = await connected(server.url)
    assert person.logged_in is not None
    email = f"{person.logged_in.user.username}@example.org"
    await admin.ok("users.update", user_id=person.id, email=email)
    assert await can_log_in(server, email) is not None
    other = await registered(server.url)
    refusal = await admin.refused("users.update", user_id=other.user.id, email=email.upper())
    assert refusal == ("conflict", "email_taken")
    cased = await admin.ok("users.update", user_id=person.id, email=email.upper())
    assert cased["email"] == email.upper()
    kept = await admin.ok("users.update", user_id=person.id, role="player")
    assert kept["email"] == email.upper()
    assert (await admin.ok("users.update", user_id=person.id, email=None))["email"] is None
    assert await can_log_in(server, email) is None
    await person.ok("players.get")  # none of this was a change of rights
    await person.close()


async def test_another_password_ends_all_log_ins(server: Server, admin: Person) -> None:
    logged_in = await registered(server.url)
    name = logged_in.user.username
    people = [
        await Person(server.url, who).connect()
        for who in (logged_in, await log_in(server.url, Login(name, PASSWORD)))
    ]
    await admin.ok("users.update", user_id=people[0].id, password=NEW_PASSWORD)
    assert [await ended(person) for person in people] == [["logged_out"]] * 2
    for person in people:
        await turned_away(Person(server.url, person.logged_in))
    with pytest.raises(Failure):
        await refresh(server.url, logged_in.tokens.refresh_token)
    assert await can_log_in(server, name) is None
    assert await can_log_in(server, name, NEW_PASSWORD) is not None


async def test_a_change_of_nothing_is_invalid(admin: Person) -> None:
    answer = await admin.patiently("users.update", user_id=admin.id)
    assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "role")


async def test_who_is_kept_out_is_out_until_let_in(server: Server, admin: Person) -> None:
    person = await connected(server.url)
    assert person.logged_in is not None
    name = person.logged_in.user.username
    assert (await admin.ok("users.disable", user_id=person.id))["disabled"] is True
    assert await ended(person) == ["disabled"]
    assert (await admin.ok("users.disable", user_id=person.id))["disabled"] is True
    assert await can_log_in(server, name) is None
    for _ in range(2):
        assert (await admin.ok("users.enable", user_id=person.id))["disabled"] is False
    with pytest.raises(Failure):
        await refresh(server.url, person.logged_in.tokens.refresh_token)
    assert await can_log_in(server, name) is not None


@pytest.mark.parametrize("name", ON_SOMEBODY)
async def test_who_is_not_there_is_not_found(admin: Person, name: str) -> None:
    fields = FIELDS.get(name, {})
    assert await admin.refused(f"users.{name}", user_id=UNKNOWN, **fields) == ("not_found", None)


@pytest.mark.parametrize("name", ON_SOMEBODY)
async def test_an_id_that_is_none_is_invalid(admin: Person, name: str) -> None:
    answer = await admin.patiently(f"users.{name}", user_id="*", **FIELDS.get(name, {}))
    assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "user_id")


@pytest.mark.parametrize("name", EVERY)
async def test_people_are_for_whoever_administers(
    alice: Person, service: Person, name: str
) -> None:
    for nosy in (alice, service):
        assert await nosy.refused(f"users.{name}", user_id=nosy.id if nosy.logged_in else UNKNOWN)
        assert await nosy.refused(f"users.{name}") == ("forbidden", None)


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("name", ["update", "disable", "delete"])
async def test_the_last_admin_stays(own_server: Server, name: str) -> None:
    boss = await first_admin(own_server)
    fields = FIELDS.get(name, {})
    refusal = await boss.refused(f"users.{name}", user_id=boss.id, **fields)
    assert refusal == ("refused", "last_admin")
    second = await boss.ok("users.create", username="second", password=PASSWORD, role="admin")
    answer = await boss.patiently(f"users.{name}", user_id=boss.id, **fields)
    assert answer["ok"], "the answer comes before the end"
    reasons = {"update": "rights_changed", "disable": "disabled", "delete": "deleted"}
    assert await ended(boss) == [reasons[name]]
    other = await Person(own_server.url, await can_log_in(own_server, "second")).connect()
    refusal = await other.refused(f"users.{name}", user_id=second["user_id"], **fields)
    assert refusal == ("refused", "last_admin")
    await other.close()


# ---- the room


async def test_what_is_changed_is_told_in_the_room_of_the_person(
    server: Server, admin: Person
) -> None:
    person = await registered(server.url)
    room = f"user:{person.user.id}"
    joined = await admin.ok("rooms.join", room=room)
    assert joined["snapshot"] == await admin.ok("users.get", user_id=person.user.id)
    changed = await admin.ok("users.update", user_id=person.user.id, role="user")
    assert (await admin.until_event("users.changed"))["user"] == changed
    disabled = await admin.ok("users.disable", user_id=person.user.id)
    assert (await admin.until_event("users.changed", user=disabled))["user"] == disabled
    await admin.ok("users.disable", user_id=person.user.id)  # which changes nothing
    await admin.ok("users.delete", user_id=person.user.id)
    await admin.until_event("users.deleted", user_id=person.user.id)
    told = [(name, meta["seq"]) for name, _, meta in admin.events]
    assert told == [("users.changed", 1), ("users.changed", 2), ("users.deleted", 3)]
    for since in ({}, {"since": {"epoch": joined["epoch"], "seq": 1}}):
        assert await admin.refused("rooms.join", room=room, **since) == ("not_found", None)


async def test_the_room_is_for_whoever_administers(alice: Person, service: Person) -> None:
    for nosy in (alice, service):
        refusal = await nosy.refused("rooms.join", room=f"user:{alice.id}")
        assert refusal == ("forbidden", None)


# ---- deleting


@pytest.mark.usefixtures("transport")
@on_both_engines
async def test_who_is_deleted_leaves_and_what_has_been_stays(own_server: Server) -> None:
    server = own_server
    boss = await first_admin(server)
    logged_in = await register(server.url, Register("gone", PASSWORD, "gone@example.org"))
    gone = await Person(server.url, logged_in).connect()
    other = await connected(server.url)
    battle_id = await easy_battle(gone)
    for person in (gone, other):
        await person.ok("battles.join", battle_id=battle_id)
    struck = await gone.ok("battles.attack", battle_id=battle_id, enemy_id=1, kind="quick")
    await gone.ok("players.get")
    await other.ok("rooms.join", room=f"battle:{battle_id}")
    await boss.ok("users.update", user_id=gone.id, email="Gone@example.org")
    watched = (await other.ok("battles.get", battle_id=battle_id))["seq"]

    await boss.ok("users.delete", user_id=gone.id)
    assert await ended(gone) == ["deleted"]
    left = await other.until_event("battles.player_left", player_id=gone.id)
    assert left["reason"] == "left"
    battle = await other.ok("battles.get", battle_id=battle_id)
    assert battle["seq"] > watched
    seat = battle["seats"][gone.id]
    assert (seat["seated"], seat["damage"]) == (False, struck["damage"])

    await turned_away(Person(server.url, logged_in))
    with pytest.raises(Failure) as refused:
        await refresh(server.url, logged_in.tokens.refresh_token)
    assert refused.value.error.code == "unauthenticated"
    assert await can_log_in(server, "gone") is None
    assert await boss.refused("users.get", user_id=gone.id) == ("not_found", None)
    assert await boss.refused("users.delete", user_id=gone.id) == ("not_found", None)

    assert (gone.id,) not in await server.rows("select id from users")
    assert (gone.id,) not in await server.rows("select player_id from players")
    ledger = await server.rows("select player_id, currency, amount, balance_after, why from ledger")
    assert sorted(row for row in ledger if row[0] == gone.id) == [
        (gone.id, "gold", -1000, 0, "deleted"),
        (gone.id, "gold", 1000, 1000, "opening"),
    ]
    history = await server.rows("select room, name from room_events order by room, seq")
    own = [name for room, name in history if room in (f"user:{gone.id}", f"player:{gone.id}")]
    assert own == ["users.deleted"]
    log = [name for room, name in history if room == f"battle:{battle_id}"]
    assert len(log) >= battle["seq"]

    with pytest.raises(Failure) as rests:
        await register(server.url, Register("Gone", PASSWORD))
    assert rests.value.error.reason == "username_taken"
    again = await register(server.url, Register("other", PASSWORD, "gone@example.org"))
    assert again.user.id != gone.id
    await strike_on(other, battle_id)
    await other.close()
    await boss.close()
    assert [line for line in server.logged() if line["level"] == "error"] == []


async def strike_on(person: Person, battle_id: str) -> None:
    """The battle goes on to its end, and the reward is there."""
    while True:
        battle = await person.ok("battles.get", battle_id=battle_id)
        living = [enemy for enemy in battle["enemies"] if enemy["hp"] > 0]
        if battle["status"] != "in_progress" or not living:
            break
        await person.patiently(
            "battles.attack",
            battle_id=battle_id,
            enemy_id=living[0]["enemy_id"],
            kind="ultimate",
        )
    assert (await person.ok("battles.claim", battle_id=battle_id))["gold"] > 0


async def test_deleting_again_with_the_same_request_id_is_done(
    server: Server, admin: Person
) -> None:
    fields = {"user_id": (await registered(server.url)).user.id, "request_id": uuid7()}
    assert await admin.ok("users.delete", **fields) == {}
    assert await admin.ok("users.delete", **fields) == {}


async def test_who_is_deleted_while_acting_gets_clear_answers(
    server: Server, admin: Person
) -> None:
    """Whatever is under way at that moment is done, refused, or not answered: never a fault."""
    size = server.log_size()
    for _ in range(3):
        gone = await connected(server.url)
        battle_id = await easy_battle(gone)
        answers: list[dict[str, Any]] = []

        async def act(person: Person, battle: str, found: list[dict[str, Any]]) -> None:
            await person.ok("battles.join", battle_id=battle)
            for number in range(40):
                name, fields = (
                    ("battles.attack", {"enemy_id": 1, "kind": "quick"}),
                    ("battles.leave", {}),
                    ("battles.join", {}),
                )[number % 3]
                found.append(await person.call(name, battle_id=battle, **fields))

        acting = asyncio.create_task(act(gone, battle_id, answers))
        await admin.until(lambda: True)
        await admin.ok("users.delete", user_id=gone.id)
        assert await ended(gone) == ["deleted"]
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
        codes = {None if a["ok"] else a["error"]["code"] for a in answers}
        assert codes <= {None, "refused", "not_found", "rate_limited"}
        seats = await server.rows("select player_id, seated from battle_seats")
        assert [seated for player_id, seated in seats if player_id == gone.id and seated] == []
    faults = [line for line in server.logged(size) if line["level"] in ("error", "critical")]
    assert faults == []
