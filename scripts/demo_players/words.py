"""Names of players, and what they say."""

from collections.abc import Iterator
from itertools import count, islice
from typing import Final

_NAMES: Final = (
    *("Aldous", "Brenna", "Corvin", "Dagny", "Elowen", "Farrow", "Greta", "Hollis", "Isaura"),
    *("Jorund", "Kestrel", "Liora", "Maddoc", "Nerys", "Osric", "Petra", "Quill", "Rowan"),
    *("Sunniva", "Tamsin", "Ulric", "Vesper", "Wystan", "Ysolde", "Zephyr"),
)

LINES: Final[dict[str, tuple[str, ...]]] = {
    "joined": (
        "Room for one more?",
        "I heard there is gold in this one.",
        "Evening, all. Which one first?",
        "Shields up, I am here.",
    ),
    "striking": (
        "Take the left one first.",
        "Catching my breath for a moment.",
        "It is limping!",
        "Anyone else out of stamina?",
        "Together, on the big one!",
        "That one hits hard.",
    ),
    "critical": ("Did you see that?", "Right between the plates!", "Lucky strike.", "Ha!"),
    "wave": ("More of them!", "Here comes the next wave.", "Hold the line!"),
    "down": ("I am down, go on without me!", "Ouch.", "Somebody avenge me."),
    "back": ("Back. What did I miss?", "Sorry, my connection dropped.", "And again from the top."),
    "won": ("Well fought!", "Gold for everyone.", "On to the next one.", "Good game."),
    "lost": ("We will get them next time.", "That was too much for us."),
}
"""By occasion."""


def names(how_many: int) -> Iterator[str]:
    """So many, all different."""
    every = (name if lap == 1 else f"{name}-{lap}" for lap in count(1) for name in _NAMES)
    return islice(every, how_many)
