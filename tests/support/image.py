"""An image, without Docker: its Dockerfile's steps, carried out in a folder that stands for `/`.

What a step says is what is run, with the folder written before each absolute path of the image.
Two things are stood in for: pinned packages are linked from those of the tests, as they are the
same; and what makes users is left out, as this machine is no image.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

IMAGES_OWN = re.compile(r"(?<![\w.$}])/(?=(?:opt|src|dist|data)\b)")
PINNED = "pip install --no-cache-dir --require-hashes -r requirements.txt"
USERS = ("groupadd", "useradd")


class Step(NamedTuple):
    """One instruction."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words, or those of its JSON list."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return shlex.split(self.text)


def steps(dockerfile: Path) -> list[Step]:
    """All instructions."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    whole = "\n".join(lines).replace("\\\n", "")
    return [Step(*line.split(" ", 1)) for line in whole.splitlines() if line]


class Ignored:
    """What a `.dockerignore` keeps out of the context."""

    def __init__(self, file: Path) -> None:
        lines = file.read_text().splitlines()
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def __call__(self, path: Path) -> bool:
        """Whether a path is kept out."""
        return any(self._fits(path, pattern) for pattern in self._patterns)

    @staticmethod
    def _fits(path: Path, pattern: str) -> bool:
        if pattern.startswith("**/"):
            return fnmatch(path.name, pattern.removeprefix("**/"))
        # A star does not cross folders.
        parts = pattern.split("/")
        return len(parts) == len(path.parts) and all(map(fnmatch, path.parts, parts))


class Image:
    """What has been built so far."""

    def __init__(self, context: Path, folder: Path) -> None:
        self.context = context
        self.ignored = Ignored(context / ".dockerignore")
        self.root = folder / "root"
        self.env: dict[str, str] = {}
        self.settings: dict[str, Step] = {}
        """Each of USER, ENTRYPOINT and the like, as it was said last."""
        self._stages = folder / "stages"
        self._base = folder / "base"
        self._stage = ""
        self._folder = self.root
        self._stages.mkdir(parents=True)
        self._base.mkdir()
        for name in ("python", "python3"):
            wrapper = self._base / name
            wrapper.write_text(f'#!/bin/sh\nexec {sys._base_executable} "$@"\n')
            wrapper.chmod(0o755)

    def build(self) -> None:
        """Carry out all steps. Raises RuntimeError with what a step prints where it fails."""
        for step in steps(self.context / "Dockerfile"):
            if (carry_out := getattr(self, f"_{step.name.lower()}", None)) is not None:
                carry_out(step)
            else:
                self.settings[step.name] = step

    def inside(self, text: str) -> str:
        """A text of the image with its paths as they are here."""
        return IMAGES_OWN.sub(f"{self.root}/", text)

    def environment(self, **given: str) -> dict[str, str]:
        """What a process in the image sees."""
        return {**self.env, "LANG": "C.UTF-8", **given}

    @property
    def folder(self) -> Path:
        """Where the last WORKDIR is."""
        return self._folder

    # ---- one for each instruction that does something

    def _from(self, step: Step) -> None:
        if self._stage:
            self.root.rename(self._stages / self._stage)
        self._stage = step.words[-1]
        self.root.mkdir()
        self._folder = self.root
        self.env = {"PATH": f"{self._base}:{os.environ['PATH']}"}
        self.settings = {}

    def _workdir(self, step: Step) -> None:
        self._folder = Path(self.inside(step.text))
        self._folder.mkdir(parents=True, exist_ok=True)

    def _env(self, step: Step) -> None:
        for word in step.words:
            name, _, value = word.partition("=")
            self.env[name] = self.inside(value).replace("$PATH", self.env["PATH"])

    def _copy(self, step: Step) -> None:
        *options, source, target = step.words
        place = self._folder / self.inside(target)
        if options:
            [stage] = options
            found = self._stages / stage.removeprefix("--from=") / source.removeprefix("/")
            shutil.copytree(found, place, symlinks=True)
        elif source == ".":
            shutil.copytree(self.context, place, ignore=self._kept_out, dirs_exist_ok=True)
        else:
            shutil.copy(self.context / source, place)

    def _kept_out(self, folder: str, names: list[str]) -> list[str]:
        within = Path(folder).relative_to(self.context)
        return [name for name in names if self.ignored(within / name)]

    def _run(self, step: Step) -> None:
        if step.words[0] in USERS:
            return
        if step.text == PINNED:
            self._link_pinned()
            return
        done = subprocess.run(
            ["/bin/sh", "-c", self.inside(step.text)],
            cwd=self._folder,
            # With the caches and the package index of this machine.
            env={**os.environ, **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{step.text}\n{done.stdout}")

    def _link_pinned(self) -> None:
        """The packages of requirements.txt, and nothing else that the tests have beside them."""
        [place] = (self.root / "opt" / "warroom").glob("lib/python*/site-packages")
        for line in (self._folder / "requirements.txt").read_text().splitlines():
            if not re.match(r"[a-z0-9]", line, re.IGNORECASE):
                continue
            pinned = Requirement(line.rstrip(" \\"))
            if pinned.marker is not None and not pinned.marker.evaluate():
                continue
            package = distribution(pinned.name)
            assert pinned.specifier.contains(package.version), f"{package.version} is not {line}"
            for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
                if not (place / top).exists():
                    (place / top).symlink_to(package.locate_file(top))
