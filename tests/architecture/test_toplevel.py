"""What is committed: the top level is small, and no file names a registry."""

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]

TOP = {
    "Dockerfile",
    "LICENSE",
    "PROTOCOL.md",
    "README.md",
    "protocol",
    "pyproject.toml",
    "scripts",
    "server",
    "tests",
}
WELL_KNOWN = [
    ".".join(words)
    for words in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("npm", "pkg", "github", "com"),
    )
]
"""Put together here, so that this file does not hold what it looks for."""


def output(*command: str) -> str:
    """What a program says; nothing where it is not there."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


@cache
def committed() -> tuple[str, ...]:
    """Every file of the repository that is there."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    names = output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    found = tuple(name for name in names.split("\0") if name and (ROOT / name).is_file())
    assert found
    return found


@cache
def registries() -> frozenset[str]:
    """The hosts of package registries: the well-known ones and those this machine is set to."""
    told = output(sys.executable, "-m", "pip", "config", "list")
    told += output("npm", "config", "get", "registry")
    hosts = {urlsplit(address).hostname for address in re.findall(r"https?://[^\s'\",]+", told)}
    return frozenset(host for host in hosts if host) | frozenset(WELL_KNOWN)


def test_the_top_level_is_small() -> None:
    top = {name.split("/")[0] for name in committed()}
    odd = {
        name
        for name in top - TOP
        if not name.startswith(".") and not re.fullmatch(r"requirements[a-z-]*\.txt", name)
    }
    assert odd == set()


def test_no_file_names_a_registry() -> None:
    found = []
    for name in committed():
        content = (ROOT / name).read_bytes().lower()
        found += [(name, host) for host in registries() if host.encode() in content]
    assert found == []


def test_locked_packages_have_no_address() -> None:
    locks = [name for name in committed() if Path(name).name == "package-lock.json"]
    assert locks
    for name in locks:
        packages = json.loads((ROOT / name).read_text())["packages"]
        assert not [path for path, package in packages.items() if "resolved" in package]
        locked = {path: package for path, package in packages.items() if path}
        assert all("integrity" in package for package in locked.values())


def test_locked_requirements_have_their_hashes() -> None:
    locks = [name for name in committed() if re.fullmatch(r"requirements.*\.txt", name)]
    assert locks
    for name in locks:
        text = (ROOT / name).read_text()
        pinned = re.findall(r"^[a-z0-9][\w.\-\[\]]*==", text, re.MULTILINE | re.IGNORECASE)
        assert pinned
        assert text.count("--hash=sha256:") >= len(pinned)
        assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links)", text, re.M)


def test_no_secret_or_database_is_committed() -> None:
    names = {Path(name).name for name in committed()}
    assert not names & {".env", "secret_key", "admin_password"}
    assert not [n for n in names if n.endswith((".db", ".db-wal", ".db-shm", ".pem"))]
