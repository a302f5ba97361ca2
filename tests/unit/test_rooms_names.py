"""The names of rooms."""

import pytest

from protocol import rooms
from protocol.battles import battle_room, battles_room, listing_room
from protocol.players import player_room, players_room, profile_room


@pytest.mark.parametrize(
    ("name", "word", "ident"),
    [
        (battles_room(), "battles", ""),
        (battle_room("b1"), "battle", "b1"),
        (listing_room("b1"), "listing", "b1"),
        (player_room("p1"), "player", "p1"),
        (players_room(), "players", ""),
        (profile_room("p1"), "profile", "p1"),
        ("battle:with:colons", "battle", "with:colons"),
    ],
)
def test_a_name_says_the_kind_and_the_id(name: str, word: str, ident: str) -> None:
    parsed = rooms.parse(name)
    assert parsed is not None
    assert (parsed[0].word, parsed[1]) == (word, ident)


@pytest.mark.parametrize(
    "name",
    ["", ":", "battle", "battle:", ":b1", "battles:", "battles:x", "Battle:b1", "nothing:x", " "],
)
def test_what_is_no_name_of_a_room_is_none(name: str) -> None:
    assert rooms.parse(name) is None


def test_every_kind_is_listed_under_its_word() -> None:
    for word, kind in rooms.KINDS.items():
        assert kind.word == word
        assert kind.doc
        assert kind.pattern == (f"{word}:<id>" if kind.keyed else word)
