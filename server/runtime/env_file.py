"""Files of lines NAME=value, such as `.env`."""

from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream


class EnvFileError(Exception):
    """A file that can't be used. `problems` names each line."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


def read_env_file(path: Path) -> dict[str, str]:
    """Its names and values; none where there is no file. Raises EnvFileError."""
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as e:
        raise EnvFileError(f"{path} can't be read: {e}") from e
    found: dict[str, str] = {}
    problems: list[str] = []
    for line in parse_stream(StringIO(text)):
        if line.error or (line.key is not None and line.value is None):
            words = line.original.string
            number = line.original.line + len(words) - len(words.lstrip("\n"))
            problems.append(f"{path}:{number}: a line is NAME=value")
        elif line.key is not None and line.value is not None:
            found[line.key] = line.value
    if problems:
        raise EnvFileError(*problems)
    return found
