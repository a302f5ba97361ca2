"""All attacks, by their kind."""

from typing import Final

from tests.support.abuse.attack import Attacks
from tests.support.abuse.floods import FLOODS
from tests.support.abuse.frames import FRAMES
from tests.support.abuse.handshakes import HANDSHAKES
from tests.support.abuse.packets import PACKETS
from tests.support.abuse.poison import POISON

KINDS: Final[dict[str, Attacks]] = {
    "floods": FLOODS,
    "frames": FRAMES,
    "handshakes": HANDSHAKES,
    "packets": PACKETS,
    "poison": POISON,
}
