"""The names of actors: who set off a kept event, as `kind:id`, the way rooms are named."""

from typing import Final


def user(ident: str) -> str:
    """A user, by id."""
    return f"user:{ident}"


def service(ident: str) -> str:
    """A service that connects with a key, by the id of its key."""
    return f"service:{ident}"


def server(part: str) -> str:
    """The server itself, by the part of it that acted: a domain, or `cli`."""
    return f"server:{part}"


COMMAND_LINE: Final = server("cli")
"""A user of the machine who ran a command. The operating system let them in: the server does not
know their name."""
