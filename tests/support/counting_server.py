"""A server that says which of its objects are alive, and otherwise as it is.

The garbage collector is off: what a closed connection leaves in a reference cycle stays, and is
counted.
"""

import gc
from collections import Counter

import msgspec

from protocol.message import Query, query
from protocol.permissions import Permission
from server.cli import main
from server.gateway import Context, handles
from server.http import serving

COUNTED = ("server.", "protocol.", "uvicorn.", "websockets.", "httptools.", "starlette.")
"""The packages whose objects are counted. Those of asyncio hang on these."""


class Counted(msgspec.Struct, frozen=True):
    """How many objects of each type are alive."""

    objects: dict[str, int]
    garbage: int


@query("tests.count_objects", permission=Permission.CONNECT)
class CountObjects(Query[Counted], frozen=True):
    """Counts what is alive now."""


@handles(CountObjects)
async def count_objects(_: Context, __: CountObjects) -> Counted:
    """Count, by type."""
    counted: Counter[str] = Counter()
    for each in gc.get_objects():
        kind = type(each)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name.startswith(COUNTED) or name.startswith("_asyncio."):
            counted[name] += 1
    return Counted(dict(counted), len(gc.garbage))


if __name__ == "__main__":
    serving.GC_THRESHOLDS = (0, 0, 0)  # type: ignore[misc]
    gc.disable()
    main()
