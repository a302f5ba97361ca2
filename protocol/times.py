"""Times on the wire: RFC 3339, UTC, always with milliseconds, "2026-11-23T01:39:02.123Z".

The width is fixed, so that times compare as strings.
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1)  # naive on both sides: no offset to compute
_MILLISECOND: Final = timedelta(milliseconds=1)
_FORM: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


@lru_cache(maxsize=64)
def rfc3339(ms: int) -> str:
    """The text of a time in milliseconds since the epoch.

    Raises OverflowError outside the years 1 to 9999. Source: RFC 3339, 5.6.
    """
    # Concurrent events have the same millisecond: the cache is hit.
    moment = _EPOCH + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds") + "Z"


def millis(at: str) -> int:
    """Milliseconds since the epoch, of a time's text. Raises ValueError for any other form."""
    if not _FORM.fullmatch(at):
        raise ValueError(f"not a moment in UTC with milliseconds: {at!r}")
    return (datetime.fromisoformat(at[:-1]) - _EPOCH) // _MILLISECOND
