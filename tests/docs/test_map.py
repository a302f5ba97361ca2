"""The map in README.md is of the folders that there are."""

import re
from typing import Final

from tests.support.markdown import README, ROOT, blocks, chapter

(MAP,) = blocks(chapter(README.read_text(), "Map"), "")
ONLY_FOR_TESTS: Final = {"tests/support/"}


def shown() -> set[str]:
    """The paths on the map."""
    found = set()
    folder = ""
    for line in MAP.text.splitlines():
        indent = len(line) - len(line.lstrip())
        if indent > 2:
            continue  # more about the line above
        names = re.split(r"\s{3,}", line.strip())[0].split()
        if not indent:
            (folder,) = names
        else:
            found |= {f"{folder}{name}" for name in names}
    return found


def folders(name: str) -> set[str]:
    """The folders in one."""
    return {
        f"{name}/{path.name}/"
        for path in (ROOT / name).iterdir()
        if path.is_dir() and not path.name.startswith((".", "__"))
    }


def test_what_is_shown_is_there() -> None:
    lost = [name for name in shown() if "<" not in name and not (ROOT / name).exists()]
    assert lost == []
    assert len(shown()) > 20


def test_every_folder_is_shown() -> None:
    domains = {
        f"server/{path.parent.name}/"
        for name in ("handlers", "routes", "store")
        for path in (ROOT / "server").glob(f"*/{name}.py")
    }
    there = folders("protocol") | folders("tests") | folders("scripts")
    there |= folders("server") - domains
    assert there - ONLY_FOR_TESTS <= shown()


def test_every_script_is_shown() -> None:
    scripts = {f"scripts/{path.name}" for path in (ROOT / "scripts").iterdir() if path.is_file()}
    assert scripts <= shown()


def test_every_module_of_the_server_is_shown() -> None:
    files = {path for path in (ROOT / "server").glob("*.py") if "__" not in path.name}
    assert {path.relative_to(ROOT).as_posix() for path in files} <= shown()
