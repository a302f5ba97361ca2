"""What text of a client may hold."""

from typing import Final

LINE: Final = r"^[^\x00-\x1f\x7f]+$(?!\n)"
"""One line without control characters: not every database takes a NUL. `$` alone would let a
newline at the end pass."""
