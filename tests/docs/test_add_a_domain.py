"""A whole domain is added to a copy of all files: notices.diff holds all that it takes.

It has a command, a kept room, a table with its migration, a service and a view. Beside its own
files it touches one entry in each of three lists.
"""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.docs.test_add_a_command import do, tree
from tests.support.markdown import ROOT

__all__ = ["tree"]

DIFF: Final = ROOT / "tests" / "docs" / "notices.diff"
LISTS: Final = {
    "server/domains.py": 2,  # the import, and the entry
    "server/dashboard/state.js": 3,  # the import with an empty line, and the entry
    "server/dashboard/views.js": 8,  # one entry, of so many lines
}
"""The lists that a domain has an entry in, and the lines that it adds."""
OWN: Final = re.compile(
    r"(protocol|tests/contracts)/notices\.py|server/notices/\w+\.py|tests/events/test_notices\.py"
    r"|server/database/migrations/versions/\d{4}_notices\.py|server/dashboard/(views/)?notices\.js"
)
TRIED: Final = (
    "tests/events/test_notices.py",
    "tests/events/test_permissions_matrix.py",
    "tests/events/test_rooms_foreign.py",
    "tests/store/test_migrations.py",
    "tests/store/test_law.py",
    "tests/unit/test_oversight.py",
    "tests/unit/test_text.py",
    "tests/docs/test_rooms.py",
    "tests/docs/test_map.py",
    "tests/events/test_fuzz.py",
)
"""Tests that take what is new from its contract and from the registry. All others would take
minutes."""
NAMED: Final = (
    "not postgres and (notices or map or kept_event or every_kind or page_comes or tables"
    " or hears_nothing or room_of)"
)


def parts(diff: str) -> dict[str, tuple[bool, int, int]]:
    """For each file: whether it is new, and how many lines are added and taken away."""
    found = {}
    for part in re.split(r"^(?=--- )", diff, flags=re.MULTILINE)[1:]:
        before, after, *lines = part.splitlines()
        added = sum(line.startswith("+") for line in lines)
        taken = sum(line.startswith("-") for line in lines)
        found[after.removeprefix("+++ b/")] = (before == "--- /dev/null", added, taken)
    return found


def as_next(diff: str, tree: Path) -> str:
    """The diff with its migration after the newest one."""
    versions = (tree / "server" / "database" / "migrations" / "versions").glob("[0-9]*.py")
    newest = max(int(path.name[:4]) for path in versions)
    return diff.replace("0011", f"{newest + 1:04}").replace('"0010"', f'"{newest:04}"')


def test_it_touches_its_own_files_and_one_entry_in_each_list() -> None:
    touched = parts(DIFF.read_text())
    own = {name for name, (is_new, _, _) in touched.items() if is_new}
    assert [name for name in own if not OWN.fullmatch(name)] == []
    assert {name: added for name, (_, added, _) in touched.items() if name not in own} == LISTS
    assert sum(taken for _, _, taken in touched.values()) == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_domain_is_added_and_works(tree: Path) -> None:
    (tree / "notices.diff").write_text(as_next(DIFF.read_text(), tree))
    do(tree, "git", "apply", "notices.diff")
    (tree / "notices.diff").unlink()
    python = ".venv/bin/python"
    do(tree, python, "-m", "protocol.spec", "--write")
    do(tree, ".venv/bin/ruff", "check", ".")
    do(tree, ".venv/bin/ruff", "format", "--check", ".")
    do(tree, python, "-m", "mypy")
    do(tree, python, "-m", "pytest", "-q", "tests/architecture")
    for path in TRIED:
        do(tree, python, "-m", "pytest", "-q", path, "-k", NAMED)  # fails where it finds none
