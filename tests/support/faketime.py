"""The wall clock of a server, set by a test while it runs. Source: libfaketime(1)."""

from pathlib import Path
from typing import Final

from tests.support.programs import missing, need

PLACES: Final = ("lib/*/faketime", "lib/faketime", "lib64/faketime")
LIBRARY: Final = "libfaketimeMT.so.1"


class WallClock:
    """What a server takes for the wall clock. The monotonic clock is the machine's own."""

    def __init__(self, folder: Path) -> None:
        """Skips the test where libfaketime is not installed."""
        program = Path(need("faketime"))
        found = [
            library for place in PLACES for library in program.parents[1].glob(f"{place}/{LIBRARY}")
        ]
        if not found:
            missing(f"{LIBRARY} is not installed")
        self._file = folder / "faketime"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Be so far ahead of the machine's clock from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}s\n")
        new.replace(self._file)
