"""Programs that some tests drive."""

import os
import shutil

import pytest


def need(program: str) -> str:
    """The path of a program. Skips the test without it; with CI=true that is a failure."""
    if found := shutil.which(program):
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program} is not installed")
    pytest.skip(f"{program} is not installed")
