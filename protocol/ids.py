"""Ids: opaque strings of the server, time-ordered so that an index grows at its end."""

import os
import time
from typing import Annotated

import msgspec

from protocol.secret import KEY_PREFIX, REFRESH_PREFIX

_ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$(?!\n)"
"""`$` alone would let a newline at the end pass."""

Id = Annotated[
    str,
    msgspec.Meta(
        pattern=_ID_PATTERN,
        description="An id that the server created (UUIDv7).",
        examples=["01a20629-2f24-79f0-9df7-df12e7c4209b"],
    ),
]
RequestId = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=64,
        # A token here would be a mistake, and would be stored: it is rejected.
        pattern=rf"^(?!{REFRESH_PREFIX}|{KEY_PREFIX})[A-Za-z0-9_\-.:]+$(?!\n)",
        description="The client creates one for each command, preferably a UUIDv7. A retry with"
        " the same id receives the first reply and changes nothing. Kept for at least 24 hours.",
        examples=["01a2062a-3c61-7d0e-9a55-2f1b8c9d7e04"],
    ),
]

MAX_SAFE = 2**53 - 1
"""The largest integer that a JavaScript client reads exactly."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE)]


def uuid7(at_ms: int | None = None) -> str:
    """A new UUIDv7. Source: RFC 9562, 5.7 (48 bits of Unix milliseconds, 74 random bits)."""
    ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    raw = bytearray(ms.to_bytes(6, "big") + os.urandom(10))
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
