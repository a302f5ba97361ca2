"""What text of a client may hold."""

from typing import Final

CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
"""In no text of a client, as it is shown to others: not every database takes a NUL, a terminal does
what a control character says, and a text that breaks lines is not one line."""

LINE: Final = rf"^[^{CONTROLS}]+$(?!\n)"
"""One line. `$` alone would let a newline at the end pass."""
