"""What the Dockerfile makes: a wheel that has everything in it, installed where nothing else is."""

import http.client
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.image import Image, Step, steps
from tests.support.server import ROOT

ENDS_WITHIN_S = 15
VENDOR = "server/dashboard/vendor/socket.io.esm.min.js"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """All steps carried out."""
    built = Image(ROOT, tmp_path_factory.mktemp("image"))
    built.build()
    return built


@contextmanager
def started(image: Image, folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A container, so to speak: its process and its port. `folder` is the volume."""
    command = [*image.settings["ENTRYPOINT"].words, *image.settings["CMD"].words]
    with (folder / "stderr").open("w") as log:
        process = subprocess.Popen(
            [shutil.which(command[0], path=image.env["PATH"]) or command[0], *command[1:]],
            cwd=folder,
            env=image.environment(PORT="0", DATA_DIR=str(folder / "data")),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if " is at http" in line:
                yield process, int(line.rpartition(":")[2])
                return
        raise AssertionError((folder / "stderr").read_text())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    status, body = answer.status, answer.read()
    connection.close()
    return status, body


def healthy(image: Image, port: int) -> bool:
    """What the image's own check says."""
    _, _, command = image.settings["HEALTHCHECK"].text.partition("CMD ")
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=image.environment(PORT=str(port)),
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.mark.slow
def test_the_wheel_holds_all_that_is_committed_and_the_page(image: Image) -> None:
    [wheel] = (image.root.parent / "stages" / "build" / "dist").glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    git = subprocess.run(
        ["git", "ls-files", "server", "protocol"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    there = {name for name in git.stdout.splitlines() if (ROOT / name).is_file()}
    assert len(there) > 100
    assert {*there, VENDOR} <= inside
    assert not [name for name in inside if name.startswith(("tests/", "scripts/"))]


@pytest.mark.slow
def test_the_image_has_what_the_wheel_asks_for_and_nothing_that_tests_need(image: Image) -> None:
    def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [image.root / "opt/warroom/bin/python", "-m", "pip", *arguments],
            env=image.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    checked = pip("check")
    assert checked.returncode == 0, checked.stdout
    installed = {line.split("==")[0] for line in pip("freeze", "--all").stdout.splitlines()}
    assert "warroom" in {name.split(" ")[0] for name in installed}
    assert not installed & {"pytest", "mypy", "ruff", "hypothesis"}
    assert {path.name for path in image.root.iterdir()} == {"opt", "data"}, "sources stay behind"


@pytest.mark.slow
def test_it_starts_in_an_empty_folder_serves_the_page_and_ends(
    image: Image, tmp_path: Path
) -> None:
    assert image.env["HOST"] == "0.0.0.0"  # noqa: S104 - a container's own
    assert image.env["DATA_DIR"] == str(image.root / "data") == str(image.folder)
    with started(image, tmp_path) as (process, port):
        status, page = get(port, "/")
        assert status == 200
        assert b"<title>" in page
        vendored = (ROOT / VENDOR).read_bytes()
        assert get(port, VENDOR.removeprefix("server/dashboard")) == (200, vendored)
        assert get(port, "/health")[0] == 200
        assert healthy(image, port)
        process.send_signal(getattr(signal, image.settings["STOPSIGNAL"].text))
        assert process.wait(ENDS_WITHIN_S) == 0, (tmp_path / "stderr").read_text()
        assert not healthy(image, port)
    assert (tmp_path / "data" / "warroom.db").is_file()


@pytest.mark.slow
def test_other_commands_are_there_too(image: Image, tmp_path: Path) -> None:
    [command] = image.settings["ENTRYPOINT"].words
    done = subprocess.run(
        [shutil.which(command, path=image.env["PATH"]) or command, "migrate"],
        cwd=tmp_path,
        env=image.environment(DATA_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "warroom.db").is_file()


def test_it_does_not_run_as_root() -> None:
    user = [step.text for step in steps(ROOT / "Dockerfile") if step.name == "USER"][-1]
    assert all(int(number) >= 1000 for number in user.split(":"))


def test_what_is_secret_or_not_needed_stays_out_of_the_context(tmp_path: Path) -> None:
    image = Image(ROOT, tmp_path)
    out = (".git", ".env", ".venv", ".data", "tests", "warroom.db", "warroom.db-wal", "dist")
    out += ("server/dashboard/vendor", "scripts/page/node_modules", "server/__pycache__")
    assert [path for path in out if not image.ignored(Path(path))] == []
    needed = ("pyproject.toml", "README.md", "LICENSE", "PROTOCOL.md", "requirements.txt")
    needed += ("server/app.py", "server/dashboard/index.html", "protocol/spec.py", "scripts/wheel")
    needed += ("scripts/page/package-lock.json", "scripts/page/.npmrc", "scripts/setup")
    assert [path for path in needed if image.ignored(Path(path))] == []


def test_steps_are_read_as_docker_does(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text('# about\nFROM a AS b\n\nRUN one \\\n# within\n    && two\nCMD ["x", "y z"]\n')
    assert steps(file) == [
        Step("FROM", "a AS b"),
        Step("RUN", "one     && two"),
        Step("CMD", '["x", "y z"]'),
    ]
    assert steps(file)[-1].words == ["x", "y z"]
