"""Pages of long lists: `{limit, cursor}` → `{items, next}`."""

from typing import Annotated

import msgspec

from protocol.text import LINE

PageSize = Annotated[int, msgspec.Meta(ge=1, le=200)]
Cursor = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=100,
        pattern=LINE,
        description="`next` of the page before, as it was given.",
    ),
]
