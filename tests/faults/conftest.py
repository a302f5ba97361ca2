"""What tests of faults share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disk import small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    with small_disk(tmp_path / "disk") as folder:
        yield folder
