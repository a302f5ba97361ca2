"""The secret that signs tokens: given, or made once and kept beside the embedded database."""

import os
import secrets
from pathlib import Path
from typing import Final

SECRET_MIN_BYTES: Final = 32
SECRET_FILE: Final = "secret_key"  # noqa: S105 - its name


def load_secret(given: str | None, data_dir: Path) -> bytes:
    """The secret as bytes; without a given one, that of the file, made if it is not there.

    Raises ValueError where the file is too short: it was not written to its end.
    Source: RFC 7518, 3.2: a key for HS256 has at least 256 bits.
    """
    if given:
        return given.encode()
    path = data_dir / SECRET_FILE
    try:
        # Only whoever makes the file writes it, and nobody else can read it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = path.read_bytes()
        if len(secret) < SECRET_MIN_BYTES:
            raise ValueError(
                f"{path} must hold at least {SECRET_MIN_BYTES} bytes; delete it"
            ) from None
        return secret
    with os.fdopen(descriptor, "wb") as file:
        secret = secrets.token_hex(SECRET_MIN_BYTES).encode()
        file.write(secret)
    return secret
