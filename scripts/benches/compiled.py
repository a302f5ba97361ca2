"""The programs in C: the load generator, and the server that is the upper bound."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from scripts.benches.result import Broken

SOURCES: Final = Path(__file__).with_name("generator")
STORING: Final = Path(__file__).with_name("storing")
FLAGS: Final = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Wconversion")
SHARED: Final = ("websocket", "text", "broken")
LOAD: Final = ("load", "options", "workload", "client", "wire", "process", "histogram", *SHARED)
LIMIT: Final = ("limit", *SHARED)


class Programs(NamedTuple):
    """Where they lie."""

    load: Path
    limit: Path


@contextmanager
def programs(*flags: str) -> Iterator[Programs]:
    """Compile them, into a folder that is gone afterwards. Raises Broken where that is not done."""
    if (compiler := shutil.which("cc")) is None:
        raise Broken("there is no C compiler `cc` (Debian: apt-get install gcc libc6-dev)")
    with tempfile.TemporaryDirectory(prefix="warroom-bench-") as folder:
        made = Programs(Path(folder, "load"), Path(folder, "limit"))
        for program, sources in ((made.load, LOAD), (made.limit, LIMIT)):
            files = [str(SOURCES / f"{name}.c") for name in sources]
            command = [compiler, *FLAGS, *flags, "-o", str(program), *files]
            done = subprocess.run(  # noqa: S603 - the compiler, on our own sources
                command, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise Broken(f"{program.name} is not compiled:\n{done.stderr}")
        yield made


def storing() -> None:
    """Install what Node's server stores with, once: it is compiled. Raises Broken."""
    if (STORING / "node_modules" / "better-sqlite3" / "build").is_dir():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise Broken("npm is missing; it installs better-sqlite3 for Node's server")
    done = subprocess.run(  # noqa: S603 - a pinned package, whose script compiles it
        [npm, "ci", "--ignore-scripts=false", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=STORING,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Broken(f"better-sqlite3 is not installed:\n{done.stderr}")
