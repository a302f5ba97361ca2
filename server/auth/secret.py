"""The secret that signs tokens: given, or made once and kept beside the embedded database."""

import secrets
from pathlib import Path
from typing import Final

from server.runtime import files
from server.runtime.log import logger

log = logger("auth")

SECRET_MIN_BYTES: Final = 32
SECRET_FILE: Final = "secret_key"  # noqa: S105 - its name


def load_secret(given: str | None, data_dir: Path, *, is_new: bool) -> bytes:
    """The secret as bytes; without a given one, that of the file, made if it is not there.

    A file that was not written to its end is made anew where the database `is_new`: nobody has a
    token by it. Raises ValueError where somebody has, OSError.
    Source: RFC 7518, 3.2: a key for HS256 has at least 256 bits.
    """
    if given:
        return given.encode()
    path = data_dir / SECRET_FILE
    made = secrets.token_hex(SECRET_MIN_BYTES).encode()
    if not path.exists() and files.write_first(path, made):
        return made
    secret = path.read_bytes()
    if _is_whole(secret):
        # Another program may have made it, and been ended before it was on disk.
        files.sync(path)
        files.sync_folder(data_dir)
        return secret
    if not is_new:
        raise ValueError(
            f"{path} is damaged: it must hold at least {SECRET_MIN_BYTES} bytes. Restore it from a"
            " backup, or delete it: the next start makes a new one, and access tokens of the old"
            " one are refused"
        )
    log.warning("secret_key_made_again", path=str(path), bytes=len(secret))
    files.write(path, made)
    return made


def _is_whole(secret: bytes) -> bool:
    """Whether a file holds a secret: not where a power cut has left it short, or full of zeros."""
    return len(secret.replace(b"\0", b"").strip()) >= SECRET_MIN_BYTES
