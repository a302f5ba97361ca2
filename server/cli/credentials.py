"""Who calls a running server, and where it is: from the environment, or a file of its owner's."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from server.cli.parser import Given
from server.cli.words import CliError
from server.runtime.env_file import EnvFileError, read_env_file

URL: Final = "http://127.0.0.1:8000"
FILE: Final = Path("warroom") / "credentials"
_KINDS: Final = (
    ("WARROOM_SERVICE_KEY",),
    ("WARROOM_TOKEN",),
    ("WARROOM_USERNAME", "WARROOM_PASSWORD"),
)
_NAMES: Final = tuple(name for kind in _KINDS for name in kind)


class Credentials(NamedTuple):
    """A service key, or a token, or a username with a password."""

    url: str
    service_key: str | None = None
    token: str | None = None
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.url})"


def credentials(given: Given, environment: Mapping[str, str] = os.environ) -> Credentials:
    """Who calls. The environment goes before the file. Raises CliError."""
    path, named = _path(given, environment)
    in_file = _read(path, named)
    found = {name: environment[name] for name in _NAMES if environment.get(name)}
    where = "the environment"
    if not found:
        found, where = {name: in_file[name] for name in _NAMES if in_file.get(name)}, str(path)
    url = given.url or environment.get("WARROOM_URL") or in_file.get("WARROOM_URL") or URL
    if not url.startswith(("http://", "https://")):
        raise CliError("the address of a server begins with http:// or https://", code=2)
    if not found:
        kinds = ", or ".join(" and ".join(kind) for kind in _KINDS)
        words = f"nobody to call as: set {kinds}, or write it into {path} (chmod 600)"
        raise CliError(words, code=2)
    for kind in _KINDS:
        if set(kind) == set(found):
            fields = {name.removeprefix("WARROOM_").lower(): found[name] for name in kind}
            return Credentials(url.rstrip("/"), **fields)
    one = "give one of a service key, a token, a username with a password"
    raise CliError(f"{where} has {', '.join(found)}: {one}", code=2)


def _path(given: Given, environment: Mapping[str, str]) -> tuple[Path, bool]:
    """The file, and whether somebody named it: then it must be there."""
    named = given.credentials or environment.get("WARROOM_CREDENTIALS")
    if named:
        return Path(named), True
    home = Path(environment.get("HOME", "~")).expanduser()
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / FILE, False


def _read(path: Path, named: bool) -> dict[str, str]:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if named:
            raise CliError(f"{path} is not there", code=2) from None
        return {}
    except OSError as e:
        raise CliError(f"{path} can't be read: {e.strerror}", code=2) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CliError(f"{path} can be read by others: chmod 600 {path}", code=2)
    try:
        return read_env_file(path)
    except EnvFileError as e:
        raise CliError(*e.problems, code=2) from None
