"""Which usernames nobody may register with, and when a used one may be given again. Pure."""

from collections.abc import Iterable
from typing import Final

from protocol.users import NAME_REST_DAYS

NAME_REST_MS: Final = NAME_REST_DAYS * 86_400_000

RESERVED: Final = (
    *("admin", "admins", "administrator", "administration", "root", "sysadmin", "superuser"),
    *("system", "server", "warroom", "host", "localhost", "console", "daemon", "gateway"),
    *("moderator", "moderators", "mod", "mods", "gamemaster", "owner", "operator", "operators"),
    *("support", "helpdesk", "staff", "team", "official", "security", "abuse", "postmaster"),
    *("webmaster", "service", "services", "bot", "bots", "agent", "api", "everyone", "everybody"),
    *("anonymous", "nobody", "null", "none", "nil", "undefined", "deleted", "unknown"),
)
"""Names that speak for the server or for whoever runs it, or that mean nobody."""

_ALIKE: Final = str.maketrans(
    dict(zip("01i345789", "olleastbg", strict=True)) | {"m": "rn", "w": "vv", "_": "", "-": ""}
)
"""What is read as something else: digits as letters, `i` and `1` as `l`, `m` as `rn`, `w` as `vv`.
Separators are not read.

Source: Unicode UTS #39, 4 (skeletons of confusable strings): of its table what the characters of a
username can be, 0/o, 1/I/l and m/rn. `vv`, and the other digits that are commonly written for
letters, are not in it.
"""
_PADDING: Final = "0123456789_-"


def skeleton(name: str) -> str:
    """What names that look alike have in common. A skeleton is its own. Never raises."""
    return name.casefold().translate(_ALIKE)


def _readings(name: str) -> set[str]:
    """The skeletons of a name, with and without what is put around a word to make it another name:
    digits, separators and `x` (`admin_1`, `xXadminXx`)."""
    name = name.casefold()
    first = len(name) - len(name.lstrip(_PADDING))
    last = len(name.rstrip(_PADDING))
    # A digit at an end may also be a letter of the word: `4dm1n`, `bo7`.
    readings = {
        name[begin:end]
        for begin in range(first + 1)
        for end in range(max(begin, last), len(name) + 1)
    }
    readings.add(name.strip("x" + _PADDING))
    return {skeleton(reading) for reading in readings} - {""}


_RESERVED: Final = frozenset(map(skeleton, RESERVED))


def is_reserved(name: str, admins: Iterable[str]) -> bool:
    """Whether a name is reserved, or is taken for a reserved one or for that of an administrator.

    That a name is refused tells that an administrator is called so. It is meant to: a refusal that
    did not depend on it would protect nobody.
    """
    readings = _readings(name)
    return not readings.isdisjoint(_RESERVED) or not readings.isdisjoint(map(skeleton, admins))
