"""Pages of long lists: `{limit, cursor}` → `{items, next}`."""

from typing import Annotated, Any, Final, Generic, TypeVar, get_args, get_origin

import msgspec

from protocol.text import LINE

T = TypeVar("T", bound=msgspec.Struct)


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list. `next` is the cursor of the page after it, null on the last one."""

    items: tuple[T, ...]
    next: str | None


def item_of(reply: Any) -> type[msgspec.Struct] | None:
    """The type of the items of a `Page[Item]`; None for any other type. Never raises."""
    if get_origin(reply) is not Page:
        return None
    (item,) = get_args(reply)
    found: type[msgspec.Struct] = item
    return found


MAX_CURSOR: Final = 100
"""The longest cursor, in characters."""

PageSize = Annotated[int, msgspec.Meta(ge=1, le=200)]
Cursor = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=MAX_CURSOR,
        pattern=LINE,
        description="`next` of the previous page, unchanged.",
    ),
]
