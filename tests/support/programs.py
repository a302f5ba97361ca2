"""Programs that some tests drive."""

import os
import shutil
from pathlib import Path
from typing import Final, NoReturn

import pytest

FOLDERS: Final = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
"""Where Debian puts what it leaves out of PATH."""


def find(program: str) -> str | None:
    """The path of a program, None where it is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *FOLDERS])
    return shutil.which(program, path=path)


def need(program: str) -> str:
    """The path of a program. Skips the test without it; with CI=true that is a failure."""
    if found := find(program):
        return found
    missing(f"{program} is not installed")


def missing(why: str) -> NoReturn:
    """Skip the test; with CI=true that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
