"""Settings: sources, and all problems at once."""

from pathlib import Path

import pytest

from server.config import ConfigError, Settings, load

SECRET = "s3cret-" * 6


def settings(folder: Path, /, **environment: str) -> Settings:
    """The settings of an environment, in a folder whose `.env` may say more."""
    return load(None, environment, folder)


def problems(folder: Path, /, **environment: str) -> list[str]:
    """What is wrong with them."""
    with pytest.raises(ConfigError) as caught:
        settings(folder, **environment)
    return caught.value.problems


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    assert settings(tmp_path) == Settings()


def test_flags_come_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HOST=file\nPORT=1\nLOG_LEVEL=DEBUG\n")
    environment = {"HOST": "environment", "PORT": "2"}
    found = load({"host": "flag", "port": None}, environment, tmp_path)
    assert (found.host, found.port, found.log_level) == ("flag", 2, "DEBUG")


def test_an_empty_variable_is_as_none(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\n")
    assert settings(tmp_path, PORT="").port == 1


def test_the_file_may_have_comments_quotes_and_exports(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# a comment\n\n export HOST = 'there' \nCORS_ORIGINS=\"http://a, http://b,\"\n"
    )
    found = settings(tmp_path)
    assert (found.host, found.cors_origins) == ("there", ("http://a", "http://b"))


def test_lines_of_the_file_that_say_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nnonsense\n\nmore nonsense\n")
    found = problems(tmp_path)
    assert [p.split(": ")[0].rpartition(":")[2] for p in found] == ["2", "4"]


def test_the_file_is_read_as_people_know_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1 # the port\nMETRICS_TOKEN='a#b$HOME'\n", "utf-8-sig")
    found = settings(tmp_path)
    assert (found.port, found.metrics_token) == (1, "a#b$HOME")


def test_what_is_wrong_in_the_file_and_elsewhere_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("nonsense\n")
    assert len(problems(tmp_path, PORT="x", DEBUG="perhaps")) == 3


@pytest.mark.parametrize(("text", "level"), [("true", "DEBUG"), ("ON", "DEBUG"), ("0", "INFO")])
def test_debug_logs_all_there_is(tmp_path: Path, text: str, level: str) -> None:
    assert settings(tmp_path, DEBUG=text).least_level == level


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        PORT="70000",
        LOG_LEVEL="LOUD",
        STAMINA_REGEN_PERCENT="nan",
        DB_POOL_SIZE="many",
        SECRET_KEY="short",
        DATABASE_URL="mysql://there",
    )
    assert [problem.split()[0] for problem in found] == [
        "PORT",
        "LOG_LEVEL",
        "DB_POOL_SIZE",
        "STAMINA_REGEN_PERCENT",
        "DATABASE_URL",
        "SECRET_KEY",
    ]
    assert found[0] == "PORT must be a whole number, 0 to 65535, not '70000'"


@pytest.mark.parametrize("value", ["-1", "65536", "1.5", "", "x", "inf", "0x10"])
def test_a_number_out_of_its_range_is_none(tmp_path: Path, value: str) -> None:
    if value:
        assert len(problems(tmp_path, PORT=value)) == 1
    assert settings(tmp_path, PORT="0").port == 0
    assert settings(tmp_path, PORT="65535").port == 65535


def test_the_secret_has_another_name_too(tmp_path: Path) -> None:
    assert settings(tmp_path, JWT_SECRET_KEY=SECRET).secret_key == SECRET
    assert settings(tmp_path, SECRET_KEY=SECRET, JWT_SECRET_KEY="x").secret_key == SECRET


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "METRICS_TOKEN"])
def test_a_secret_is_never_shown(tmp_path: Path, name: str) -> None:
    given = {"SECRET_KEY": "tell-nobody", "DATABASE_URL": "mysql://u:tell-nobody@h/d"}
    if name in given:
        assert "tell-nobody" not in "\n".join(problems(tmp_path, **{name: given[name]}))
    full = settings(
        tmp_path,
        SECRET_KEY=f"tell-nobody-{SECRET}",
        METRICS_TOKEN="tell-nobody",
        DATABASE_URL="sqlite:///tell-nobody",
    )
    assert "tell-nobody" not in repr(full)


def test_a_secret_has_32_bytes(tmp_path: Path) -> None:
    assert problems(tmp_path, SECRET_KEY="x" * 31) == ["SECRET_KEY must have at least 32 bytes"]
    assert settings(tmp_path, SECRET_KEY="é" * 16).secret_key == "é" * 16


def test_production_asks_for_more(tmp_path: Path) -> None:
    assert problems(tmp_path, ENVIRONMENT="production", PASSWORD_HASH_COST="9") == [
        "SECRET_KEY must be given in production",
        "PASSWORD_HASH_COST must be at least 10 in production",
    ]
    assert settings(tmp_path, ENVIRONMENT="production", SECRET_KEY=SECRET)


def test_without_an_address_the_database_lies_in_the_data_folder(tmp_path: Path) -> None:
    assert settings(tmp_path, DATA_DIR="/d").database == "sqlite:////d/warroom.db"
    assert settings(tmp_path, DATABASE_URL="sqlite:///x.db").database == "sqlite:///x.db"


def test_proxies_are_addresses_or_networks(tmp_path: Path) -> None:
    found = settings(tmp_path, TRUSTED_PROXIES="10.0.0.0/8, ::1,192.0.2.7")
    assert found.trusted_proxies == ("10.0.0.0/8", "::1/128", "192.0.2.7/32")


@pytest.mark.parametrize("proxies", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.0/33", "1.2.3"])
def test_anything_else_is_trusted_by_mistake(tmp_path: Path, proxies: str) -> None:
    assert problems(tmp_path, TRUSTED_PROXIES=f"127.0.0.1, {proxies}") == [
        "TRUSTED_PROXIES must be IP addresses or networks, separated by commas,"
        f" not '127.0.0.1, {proxies}'"
    ]


@pytest.mark.parametrize("scale", ["0", "0.009", "10001", "-1", "nan", "inf"])
def test_what_an_address_may_send_is_scaled_within_reason(tmp_path: Path, scale: str) -> None:
    assert len(problems(tmp_path, ADDRESS_LIMIT_SCALE=scale)) == 1
    assert settings(tmp_path, ADDRESS_LIMIT_SCALE="2.5").address_limit_scale == 2.5
