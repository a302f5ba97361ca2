"""Passwords on the command line: asked for without an echo, read, or made. Never an argument."""

import getpass
import secrets
import sys

from protocol.auth import PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES
from server.cli.parser import Given
from server.cli.words import CliError


def generate() -> str:
    """A password that nobody guesses: 96 random bits."""
    return secrets.token_urlsafe(12)


def new_password(given: Given, prompt: str) -> str:
    """The password that somebody is to have. Raises CliError."""
    if given.generate:
        return generate()
    password = _read() if given.password_stdin else _ask(prompt)
    if not PASSWORD_MIN_BYTES <= len(password.encode()) <= PASSWORD_MAX_BYTES:
        limits = f"{PASSWORD_MIN_BYTES} to {PASSWORD_MAX_BYTES}"
        raise CliError(f"a password must have {limits} bytes of UTF-8", code=2)
    return password


def show_generated(given: Given, password: str) -> None:
    """Print a password that was made, once it holds."""
    if given.generate:
        print(f"password: {password}")


def _read() -> str:
    try:
        # Bounded: a device gives zeros for ever, and a line that is too long is refused below.
        line = sys.stdin.readline(PASSWORD_MAX_BYTES + len("\r\n") + 1)
        return line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise CliError("the password on standard input is not UTF-8", code=2) from None


def _ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise CliError(
            "no terminal to ask for the password: give --password-stdin or --generate", code=2
        )
    try:
        password = getpass.getpass(f"{prompt}: ")
        again = getpass.getpass("Once more: ")
    except EOFError:
        raise CliError("no password was given", code=2) from None
    if password != again:
        raise CliError("the two passwords differ", code=2)
    return password
