"""The settings that a command works with, and `config`, which shows them."""

import re
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Final

from server.cli.parser import Given
from server.cli.words import CliError, markdown, table
from server.config import ConfigError, Loaded, Settings, load_with_sources, names

MASK: Final = "***"
FLAGS: Final = (
    *("host", "port"),
    *("ping_interval_ms", "ping_timeout_ms", "connect_timeout_ms", "max_message_bytes"),
)
"""Settings that a command may have as a flag."""
_PASSWORD_IN_ADDRESS: Final = re.compile(r"(?<=://)([^:@/]*):.*@|(?<=[?&]password=)[^&]*")

BEGIN: Final = "<!-- generated: settings -->"
END: Final = "<!-- end -->"


def loaded(given: Given) -> Loaded:
    """The settings in force, and where they come from. Raises CliError that names all problems."""
    flags: dict[str, str | None] = {name: getattr(given, name, None) for name in FLAGS}
    if getattr(given, "dev", False):
        flags["debug"] = "true"
    try:
        return load_with_sources(flags)
    except ConfigError as e:
        raise CliError(*e.problems, code=2) from None


def in_force(given: Given) -> Settings:
    """The settings in force. Raises as `loaded` does."""
    return loaded(given).settings


async def show(given: Given) -> None:
    """Print every setting, or the table of the documentation."""
    if given.markdown is None:
        print(_in_force(loaded(given)))
    elif given.markdown == "-":
        print(documentation())
    else:
        _write(Path(given.markdown))


def _in_force(found: Loaded) -> str:
    rows = [
        [
            setting.name.upper(),
            _value(setting, found.settings),
            setting.metadata["unit"] or "-",
            found.sources[setting.name],
            _shown(setting.default) or "-",
            setting.metadata["parse"].__doc__,
        ]
        for setting in fields(Settings)
    ]
    return table(["SETTING", "VALUE", "UNIT", "FROM", "DEFAULT", "TAKES"], rows)


def _value(setting: Field[Any], settings: Settings) -> str:
    if setting.name == "database_url":
        return _PASSWORD_IN_ADDRESS.sub(
            lambda m: MASK if m[1] is None else f"{m[1]}:{MASK}@", settings.database
        )
    value = getattr(settings, setting.name)
    if setting.metadata["secret"]:
        return "-" if value is None else MASK
    return _shown(value) or "-"


def _shown(value: object) -> str:
    """A value as it is written in the environment; empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def documentation() -> str:
    """The table of the documentation: what there is, not what is in force here."""
    rows = [
        [
            " or ".join(f"`{name}`" for name in names(setting)),
            f"`{shown}`" if (shown := _shown(setting.default)) else "",
            setting.metadata["unit"],
            setting.metadata["parse"].__doc__,
            setting.metadata["doc"],
        ]
        for setting in fields(Settings)
    ]
    return markdown(["name", "default", "unit", "takes", "what for"], rows)


def _write(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise CliError(f"{path} has no place for the settings: {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n\n{documentation()}\n\n{END}{after}", encoding="utf-8")
