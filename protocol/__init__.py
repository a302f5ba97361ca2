"""The contract between Warroom and its clients: message types, codes, permissions, rooms.

Everything here is msgspec and the standard library; nothing of `server` is imported.
`protocol.client`, the Python client, is the one part that opens sockets.
"""

from typing import Final

VERSION: Final = "1"
"""Of the contract. It changes where clients of the one before would not be understood."""
