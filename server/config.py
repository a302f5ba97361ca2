"""Every setting: name, unit, default, range. From flags, then the environment, then `.env`.

All problems are named at once.
"""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

from server.auth import SECRET_MIN_BYTES
from server.database import is_known
from server.env_file import EnvFileError, read_env_file
from server.runtime.log import parse


class ConfigError(Exception):
    """Settings that can't be used. `problems` names each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _integer(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ValueError
        return value

    parse.__doc__ = f"a whole number, {least} to {most}"
    return parse


def _number(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError
        return value

    parse.__doc__ = f"a number, {least:g} to {most:g}"
    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    parse.__doc__ = f"one of {', '.join(words)}"
    return parse


def _yes_or_no(text: str) -> bool:
    """true or false"""
    return _YES_OR_NO[text.lower()]


_YES_OR_NO: Final = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def _text(text: str) -> str:
    """text"""
    return text


def _words(text: str) -> tuple[str, ...]:
    """words, separated by commas"""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _levels(text: str) -> str:
    """DEBUG, INFO, WARNING or ERROR; behind it `component=level`, separated by commas"""
    parse(text)
    return text


def _networks(text: str) -> tuple[str, ...]:
    """IP addresses or networks, separated by commas"""
    return tuple(str(ipaddress.ip_network(word)) for word in _words(text))


def _path(text: str) -> Path:
    """a path"""
    return Path(text)


def _setting(
    parse: Callable[[str], Any],
    default: Any,
    doc: str,
    *,
    unit: str = "",
    alias: str | None = None,
    secret: bool = False,
) -> Any:
    metadata = {"parse": parse, "doc": doc, "unit": unit, "alias": alias, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. The environment's names are the fields' in capitals."""

    host: str = _setting(_text, "127.0.0.1", "address to listen on")
    port: int = _setting(_integer(0, 65535), 8000, "port to listen on; 0 takes a free one")
    environment: str = _setting(
        _one_of("development", "production"),
        "development",
        "production refuses to start without secrets of its own",
    )
    debug: bool = _setting(_yes_or_no, False, "logs all there is to say, as LOG_LEVEL=DEBUG does")
    log_level: str = _setting(
        _levels, "INFO", "least level that is logged, of all components and of single ones"
    )
    log_file: Path | None = _setting(
        _path,
        None,
        "file that is logged to as well, as JSON lines; it may be moved away",
    )
    cors_origins: tuple[str, ...] = _setting(
        _words, (), "origins of other pages that may connect; its own always may"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        _networks, (), "proxies whose X-Forwarded-For and X-Forwarded-Proto are believed"
    )
    address_limit_scale: float = _setting(
        _number(0.01, 10_000),
        1.0,
        "multiplies what one address may send; more than 1 where many clients share one",
    )
    max_connections_per_address: int = _setting(
        _integer(1, 1_000_000),
        1000,
        "connections that one address may have open, and open anew in 10 s",
    )
    max_connections_per_user: int = _setting(
        _integer(1, 1_000_000),
        100,
        "connections that one person or service may have open, and open anew in 10 s",
    )
    max_unauthenticated_connections: int = _setting(
        _integer(1, 1_000_000),
        2000,
        "connections of clients that are not authenticated, and requests coming in; beyond it the"
        " oldest of the network that has most of them is closed",
    )
    data_dir: Path = _setting(
        _path, Path(".data"), "folder of the embedded database and its secret"
    )
    secret_key: str | None = _setting(
        _text,
        None,
        "signs tokens, at least 32 bytes; made and kept in DATA_DIR where it is not given",
        alias="JWT_SECRET_KEY",
        secret=True,
    )
    access_token_expire_minutes: int = _setting(
        _integer(1, 1440), 15, "life of an access token", unit="minutes"
    )
    refresh_token_expire_days: int = _setting(
        _integer(1, 365), 7, "life of a refresh token", unit="days"
    )
    registration: str = _setting(_one_of("open", "closed"), "open", "whether anybody may register")
    password_hash_cost: int = _setting(
        _integer(4, 16), 12, "bcrypt's cost, as a power of two; at least 10 in production"
    )
    database_url: str | None = _setting(
        _text,
        None,
        "sqlite:///path or postgresql://user@host/name; without it, warroom.db in DATA_DIR",
        secret=True,
    )
    db_pool_size: int = _setting(_integer(1, 100), 4, "connections held for reading")
    db_pool_recycle: int = _setting(
        _integer(0, 604_800),
        1800,  # half of the hour after which firewalls commonly drop a connection
        "age at which a connection to PostgreSQL makes room for a new one; 0 is never",
        unit="seconds",
    )
    history_events: int = _setting(
        _integer(1, 1_000_000), 1000, "newest events that stay in the history of a room"
    )
    history_s: float = _setting(
        _number(0, 604_800), 600.0, "how long younger ones stay beside them", unit="seconds"
    )
    stamina_regen_interval: float = _setting(
        _number(0.05, 3600), 10.0, "how often stamina grows", unit="seconds"
    )
    stamina_regen_percent: float = _setting(
        _number(0.001, 1), 0.1, "by how much of its maximum", unit="ratio"
    )
    outbox_limit_bytes: int = _setting(
        _integer(65_536, 268_435_456), 1_048_576, "what may wait for one client", unit="bytes"
    )
    outbox_stall_s: float = _setting(
        _number(1, 600), 10.0, "how long a client may take nothing of what waits", unit="seconds"
    )
    max_message_bytes: int = _setting(
        _integer(1024, 16_777_216), 1_048_576, "largest message of a client", unit="bytes"
    )
    backlog_limit_bytes: int = _setting(
        _integer(1_048_576, 2**40),
        67_108_864,
        "pending inbound bytes of all clients; above it the server pauses reading",
        unit="bytes",
    )
    ping_interval_ms: int = _setting(
        _integer(100, 300_000), 25_000, "how often a client is pinged", unit="milliseconds"
    )
    ping_timeout_ms: int = _setting(
        _integer(100, 300_000),
        20_000,
        "how long a client may take to answer a ping",
        unit="milliseconds",
    )
    connect_timeout_ms: int = _setting(
        _integer(100, 300_000), 10_000, "how long a client may take to log in", unit="milliseconds"
    )
    receive_timeout_ms: int = _setting(
        _integer(100, 300_000),
        8_000,  # with what it takes to notice, within the 10 s that clients are told
        "how long a request, or a message, may take to come whole",
        unit="milliseconds",
    )
    allow_token_in_address: bool = _setting(
        _yes_or_no,
        False,
        "whether `/ws` takes `?token=`; addresses end up in logs and histories",
    )
    audit_days: int = _setting(
        _integer(1, 36_500), 365, "how long the audit log is kept", unit="days"
    )
    command_timeout: float = _setting(
        _number(0.1, 3600), 30.0, "how long a command or query may take to answer", unit="seconds"
    )
    metrics_token: str | None = _setting(
        _text, None, "bearer token that /metrics asks for, where given", secret=True
    )

    @property
    def least_level(self) -> str:
        """The least level that is logged."""
        return "DEBUG" if self.debug else self.log_level

    @property
    def database(self) -> str:
        """The address of the database in use."""
        return self.database_url or f"sqlite:///{self.data_dir / 'warroom.db'}"


class Source(StrEnum):
    """Where a value comes from."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = ".env"
    DEFAULT = "default"


class Loaded(NamedTuple):
    """The settings in force, and where each comes from, by the name of its field."""

    settings: Settings
    sources: dict[str, Source]


def names(setting: Field[Any]) -> tuple[str, ...]:
    """The names of a setting in the environment: the first one goes before the others."""
    alias = setting.metadata["alias"]
    return (setting.name.upper(), *([] if alias is None else [alias]))


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
    """The settings in force, and where they come from. Raises as `load` does."""
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
    sources = dict.fromkeys((setting.name for setting in fields(Settings)), Source.DEFAULT)
    for setting in fields(Settings):
        about = setting.metadata
        given = [
            (source, text)
            for source, place in places.items()
            for name in names(setting)
            if (text := place.get(name))
        ]
        if not given:
            continue
        sources[setting.name], text = given[0]
        try:
            values[setting.name] = about["parse"](text)
        except (ValueError, KeyError):
            shown = "" if about["secret"] else f", not {text!r}"
            problems.append(f"{setting.name.upper()} must be {about['parse'].__doc__}{shown}")
    settings = Settings(**values)
    if problems := problems + _problems(settings):
        raise ConfigError(problems)
    return Loaded(settings, sources)


def _problems(settings: Settings) -> list[str]:
    """What is wrong with settings that are right one by one."""
    problems = []
    production = settings.environment == "production"
    if settings.secret_key is None and production:
        problems.append("SECRET_KEY must be given in production")
    if settings.secret_key is not None and len(settings.secret_key.encode()) < SECRET_MIN_BYTES:
        problems.append(f"SECRET_KEY must have at least {SECRET_MIN_BYTES} bytes")
    if production and settings.password_hash_cost < 10:
        problems.append("PASSWORD_HASH_COST must be at least 10 in production")
    if not is_known(settings.database):
        problems.append("DATABASE_URL must be sqlite:///path or postgresql://user@host/name")
    return problems
