"""The names of rooms."""

import pytest

from protocol import rooms


@pytest.mark.parametrize(
    ("name", "word", "ident"),
    [
        (rooms.battles(), "battles", ""),
        (rooms.battle("b1"), "battle", "b1"),
        (rooms.listing("b1"), "listing", "b1"),
        (rooms.player("p1"), "player", "p1"),
        (rooms.players(), "players", ""),
        (rooms.profile("p1"), "profile", "p1"),
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
