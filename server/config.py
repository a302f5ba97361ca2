"""All settings, read from flags, then the environment, then `.env`.

The server reports all problems at once.
"""

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, make_dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from server.database import is_known, is_postgres
from server.domains import DOMAINS
from server.gateway import GatewaySettings
from server.runtime.env_file import EnvFileError, read_env_file
from server.runtime.settings import (
    integer,
    log_levels,
    networks,
    number,
    one_of,
    path,
    setting,
    text,
    words,
    yes_or_no,
)

S = TypeVar("S")


class ConfigError(Exception):
    """Invalid settings. `problems` has a text for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Settings of the server itself. The gateway and each domain have their own classes."""

    host: str = setting(text, "127.0.0.1", "address to listen on")
    port: int = setting(integer(0, 65535), 8000, "port to listen on; 0 chooses a free one")
    environment: str = setting(
        one_of("development", "production"),
        "development",
        "production does not start without an explicit SECRET_KEY",
    )
    debug: bool = setting(yes_or_no, False, "log everything, like LOG_LEVEL=DEBUG")
    log_level: str = setting(
        log_levels, "INFO", "lowest logged level, of all components and of single ones"
    )
    log_file: Path | None = setting(
        path,
        None,
        "additional log file, with JSON lines; it may be rotated",
    )
    cors_origins: tuple[str, ...] = setting(
        words, (), "other origins whose pages may connect; the server's own always may"
    )
    trusted_proxies: tuple[str, ...] = setting(
        networks, (), "trusted proxies: the server uses their X-Forwarded-For and X-Forwarded-Proto"
    )
    data_dir: Path = setting(path, Path(".data"), "folder of the embedded database and its secret")
    database_url: str | None = setting(
        text,
        None,
        "sqlite:///path or postgresql://user@host/name; without it, warroom.db in DATA_DIR",
        secret=True,
    )
    db_pool_size: int = setting(integer(1, 100), 4, "number of database connections for reading")
    db_pool_recycle: int = setting(
        integer(0, 604_800),
        1800,  # half of the hour after which firewalls commonly drop a connection
        "age at which a connection to PostgreSQL is replaced; 0 means never",
        unit="seconds",
    )
    history_events: int = setting(
        integer(1, 1_000_000), 1000, "number of the newest events that a room keeps in its history"
    )
    history_s: float = setting(
        number(0, 604_800), 600.0, "minimum age before an event is pruned", unit="seconds"
    )

    @property
    def least_level(self) -> str:
        """The lowest logged level."""
        return "DEBUG" if self.debug else self.log_level

    @property
    def database(self) -> str:
        """The address of the database in use."""
        return self.database_url or f"sqlite:///{self.data_dir / 'warroom.db'}"

    def of(self, kind: type[S]) -> S:
        """The settings of a domain. Raises TypeError where they are not among these."""
        if not isinstance(self, kind):
            raise TypeError(f"there are no {kind.__name__}")
        return self

    def problems(self, *, production: bool) -> list[str]:
        """Problems of values that are valid by themselves, but not in this combination."""
        if not is_known(self.database):
            return ["DATABASE_URL must be sqlite:///path or postgresql://user@host/name"]
        if self.database_url and not is_postgres(self.database_url) and "?" in self.database_url:
            # Other programs would read the rest as parameters, and open another file.
            return ["DATABASE_URL of SQLite takes no parameters, and no ? in its path"]
        return []


CLASSES: Final = (
    ServerSettings,
    GatewaySettings,
    *(d.settings for d in DOMAINS if d.settings is not None),
)
"""Each is a frozen dataclass of fields made by `setting`, and may have `problems`."""

if TYPE_CHECKING:

    class Settings(GatewaySettings, ServerSettings):
        """All settings. The environment's names are the fields' in capitals."""

        def __init__(self, **values: Any) -> None: ...

else:
    Settings = make_dataclass("Settings", (), bases=CLASSES[::-1], frozen=True, kw_only=True)
    Settings.__doc__ = "All settings. The environment's names are the fields' in capitals."


class Source(StrEnum):
    """The source of a value."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = ".env"
    DEFAULT = "default"


class Loaded(NamedTuple):
    """The settings in force, and the source of each, by the name of its field."""

    settings: Settings
    sources: dict[str, Source]


def names(one: Field[Any]) -> tuple[str, ...]:
    """The names of a setting in the environment: the first one has priority."""
    alias = one.metadata["alias"]
    return (one.name.upper(), *([] if alias is None else [alias]))


def load(
    flags: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings in force. Raises ConfigError that names all problems."""
    return load_with_sources(flags, environment, folder).settings


def load_with_sources(
    flags: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Loaded:
    """The settings in force with their sources. Raises as `load` does."""
    problems: list[str] = []
    try:
        from_file = read_env_file((folder or Path()) / ".env")
    except EnvFileError as e:
        from_file, problems = {}, e.problems
    places: dict[Source, Mapping[str, str | None]] = {
        Source.FLAG: {name.upper(): value for name, value in (flags or {}).items()},
        Source.ENVIRONMENT: dict(os.environ if environment is None else environment),
        Source.FILE: dict(from_file),
    }
    values: dict[str, Any] = {}
    sources = dict.fromkeys((one.name for one in fields(Settings)), Source.DEFAULT)
    for one in fields(Settings):
        about = one.metadata
        given = [
            (source, text)
            for source, place in places.items()
            for name in names(one)
            if (text := place.get(name))
        ]
        if not given:
            continue
        sources[one.name], text = given[0]
        try:
            values[one.name] = about["parse"](text)
        except (ValueError, KeyError):
            shown = "" if about["secret"] else f", not {text!r}"
            problems.append(f"{one.name.upper()} must be {about['parse'].__doc__}{shown}")
    settings = Settings(**values)
    production = settings.environment == "production"
    for cls in CLASSES:
        if hasattr(cls, "problems"):
            problems += cls.problems(settings, production=production)
    if problems:
        raise ConfigError(problems)
    return Loaded(settings, sources)
