"""Names that nobody may register with: reserved, or looking like an administrator's."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.auth import Username
from server.users.rules import RESERVED, is_reserved, skeleton

ALPHABET = string.ascii_letters + string.digits + "_-"
LOOKS_LIKE = {
    "o": "oO0",
    "i": "iI1lL",
    "l": "lL1iI",
    "e": "eE3",
    "a": "aA4",
    "s": "sS5",
    "t": "tT7",
    "b": "bB8",
    "g": "gG9",
    "m": ("m", "M", "rn", "RN"),
    "w": ("w", "W", "vv", "VV"),
}
"""What a person reads as a letter."""

names = st.text(ALPHABET, min_size=1, max_size=20)


@st.composite
def disguised(draw: st.DrawFn, word: str) -> str:
    """A word as somebody writes it who wants to be taken for it."""
    written = ""
    for letter in word.lower():
        written += draw(st.sampled_from(LOOKS_LIKE.get(letter, letter + letter.upper())))
        written += draw(st.sampled_from(["", "", "", "_", "-"]))
    around = st.text(string.digits + "_-", max_size=3)
    return draw(around) + written + draw(around)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Admin",
            "_admin",
            "admin_",
            "ADMIN1",
            "007admin",
            "adm1n",
            "Adm_In",
            "4dm1n",
            "xXadminXx",
        ),
        *("system", "5ystem", "sys-tem", "SYSTEM", "server", "s3rver", "mod", "m0d", "mod_2"),
        *(
            "rnod",
            "moderator",
            "rnoderat0r",
            "root",
            "r00t",
            "warroom",
            "vvarroorn",
            "null",
            "nu11",
        ),
        *("undefined", "b0t", "bot-7", "official", "0fficia1", "support", "staff", "operator"),
    ],
)
def test_what_speaks_for_the_server_is_reserved(name: str) -> None:
    assert is_reserved(name, [])


@pytest.mark.parametrize(
    "name",
    [
        *("ada", "alice", "bob", "mallory", "player-1", "robot", "modest", "rooted", "adamina"),
        *("serverina", "botany", "xena", "max", "123", "x-x", "___", "p0193a", "nomad", "teamster"),
    ],
)
def test_other_names_are_free(name: str) -> None:
    assert not is_reserved(name, [])


@pytest.mark.parametrize("name", ["B0ss", "boss-1", "_boss", "b-o-s-s", "8oss", "xxBossxx", "BOSS"])
def test_what_looks_like_an_administrator_is_reserved(name: str) -> None:
    assert not is_reserved(name, ["ada"])
    assert is_reserved(name, ["ada", "Boss"])


@pytest.mark.parametrize("name", ["bosses", "embossed", "bo", "ossian"])
def test_what_only_contains_an_administrators_name_is_free(name: str) -> None:
    assert not is_reserved(name, ["Boss"])


@given(st.sampled_from(RESERVED), st.data())
def test_no_disguise_helps(word: str, data: st.DataObject) -> None:
    assert is_reserved(data.draw(disguised(word)), [])


@given(names, st.data())
def test_no_disguise_of_an_administrator_helps(admin: str, data: st.DataObject) -> None:
    assert is_reserved(admin, [admin]) or not skeleton(admin)
    letters = re.sub("[^a-z]", "", admin.lower())
    if letters:
        assert is_reserved(data.draw(disguised(letters)), [letters])


@given(names)
def test_a_skeleton_is_its_own(name: str) -> None:
    found = skeleton(name)
    assert skeleton(found) == found
    assert skeleton(name.swapcase()) == found
    assert skeleton("_".join(name)) == found


def test_reserved_names_can_be_usernames() -> None:
    (meta,) = Username.__metadata__  # type: ignore[attr-defined]
    for word in RESERVED:
        assert re.fullmatch(meta.pattern.removesuffix(r"$(?!\n)"), word)
    assert len(set(RESERVED)) == len(RESERVED)
