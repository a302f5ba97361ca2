"""The contract between Warroom and its clients: message types, codes, permissions, rooms.

It needs only msgspec and the standard library, and nothing of `server`.
`protocol.client`, the Python client, is the one part that opens sockets.
"""

from typing import Final

VERSION: Final = "1"
"""The version of the contract. It changes when older clients become incompatible."""
