"""The command line: what it knows, what it prints, whom it calls as."""

import argparse
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import Code
from server.cli.credentials import credentials
from server.cli.entry import enter, find
from server.cli.parser import CODES, Given, parser
from server.cli.settings import documentation, show
from server.cli.words import CliError, table

SECRET = "tell-nobody"


def leaves(of: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command that does something."""
    groups = [a for a in of._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield of
    for group in groups:
        assert {action.dest for action in group._choices_actions} == set(group.choices)
        assert all(action.help for action in group._choices_actions)
        for inner in group.choices.values():
            yield from leaves(inner)


COMMANDS = {leaf.prog: leaf for leaf in leaves(parser())}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_is_there_and_explains_itself(command: argparse.ArgumentParser) -> None:
    assert inspect.iscoroutinefunction(find(command.get_default("action")))
    assert command.description
    text = command.format_help()
    assert max(len(line) for line in text.splitlines()) <= 110
    for action in command._actions:
        assert action.help, f"{command.prog} {action.dest}"
        assert "password" not in action.dest or action.nargs == 0, "a password is no argument"


def test_every_code_has_an_exit_code_of_its_own_that_the_help_names() -> None:
    assert set(CODES) == set(Code)
    assert len(set(CODES.values())) == len(Code)
    assert min(CODES.values()) > 2
    assert max(CODES.values()) < 126  # from there on they are the shell's
    for name in ("warroom call", "warroom watch"):
        text = COMMANDS[name].format_help()
        assert all(f"{number}   {code}" in text for code, number in CODES.items())


def test_arguments_that_can_not_be_used_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert enter(["user", "role", "ada", "king"]) == 2
    assert "king" in capsys.readouterr().err


def test_columns_stand_below_each_other() -> None:
    assert table(["A", "LONG"], [["wide", "b"], ["c", ""]]) == "A     LONG\nwide  b\nc"


# ---- config


async def shown(monkeypatch: pytest.MonkeyPatch, folder: Path, **environment: str) -> Any:
    """The lines of `config` by the setting's name."""
    monkeypatch.chdir(folder)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    await show(Given(host="flagged", port=None, markdown=None))


async def test_config_says_what_is_in_force_and_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("HISTORY_S=60\nPORT=1\nJWT_SECRET_KEY=" + SECRET * 4)
    url = f"postgresql://ada:{SECRET}@there/db?password={SECRET}"
    await shown(monkeypatch, tmp_path, PORT="2", DATABASE_URL=url, METRICS_TOKEN=SECRET)
    output = capsys.readouterr().out
    lines = {line.split()[0]: line.split() for line in output.splitlines()}
    assert lines["HOST"][1:5] == ["flagged", "-", "flag", "127.0.0.1"]
    assert lines["PORT"][1:5] == ["2", "-", "environment", "8000"]
    assert lines["HISTORY_S"][1:5] == ["60", "seconds", ".env", "600"]
    assert lines["SECRET_KEY"][1:4] == ["***", "-", ".env"]
    assert lines["METRICS_TOKEN"][1] == "***"
    assert lines["DATABASE_URL"][1] == "postgresql://ada:***@there/db?password=***"
    assert lines["STAMINA_REGEN_PERCENT"][1:5] == ["0.1", "ratio", "default", "0.1"]
    assert SECRET not in output


async def test_config_writes_the_table_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- generated: settings -->\nwhat was there\n<!-- end -->\nafter\n")
    for _ in range(2):
        await show(Given(markdown=str(readme)))
        text = readme.read_text()
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert documentation() in text
        assert "what was there" not in text
    readme.write_text("nothing")
    with pytest.raises(CliError, match="no place"):
        await show(Given(markdown=str(readme)))


# ---- who calls


def calling(folder: Path, *, url: str | None = None, file: str | None = None, **env: str) -> Any:
    """Who calls, with a home of its own."""
    return credentials(Given(url=url, credentials=file), {"HOME": str(folder), **env})


def credentials_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    """The file that is read without any being named."""
    path = folder / ".config" / "warroom" / "credentials"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_goes_before_the_file_as_a_whole(tmp_path: Path) -> None:
    credentials_file(tmp_path, "WARROOM_URL=http://file/\nWARROOM_SERVICE_KEY=k")
    assert calling(tmp_path) == ("http://file", "k", None, None, None)
    person = {"WARROOM_USERNAME": "ada", "WARROOM_PASSWORD": "p"}
    assert calling(tmp_path, **person) == ("http://file", None, None, "ada", "p")
    assert calling(tmp_path, WARROOM_URL="http://env").url == "http://env"
    assert calling(tmp_path, url="http://flag", WARROOM_URL="http://env").url == "http://flag"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = credentials_file(tmp_path, f"WARROOM_SERVICE_KEY={SECRET}", mode)
    with pytest.raises(CliError) as caught:
        calling(tmp_path)
    assert caught.value.problems == (f"{path} can be read by others: chmod 600 {path}",)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WARROOM_USERNAME": "ada"},
        {"WARROOM_PASSWORD": SECRET},
        {"WARROOM_TOKEN": SECRET, "WARROOM_SERVICE_KEY": SECRET},
        {"WARROOM_TOKEN": SECRET, "WARROOM_URL": f"ftp://{SECRET}"},
        {"WARROOM_CREDENTIALS": "/nowhere/at/all"},
    ],
)
def test_credentials_that_are_none_or_too_many_are_refused(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with pytest.raises(CliError) as caught:
        calling(tmp_path, **environment)
    assert caught.value.code == 2
    assert SECRET not in str(caught.value)


def test_credentials_are_never_shown(tmp_path: Path) -> None:
    assert SECRET not in repr(calling(tmp_path, WARROOM_TOKEN=SECRET))
