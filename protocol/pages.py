"""Lists that come in pages: `{limit, cursor}` is answered with `{items, next}`."""

from typing import Annotated

import msgspec

from protocol.text import LINE

PageSize = Annotated[int, msgspec.Meta(ge=1, le=200)]
Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE)]
