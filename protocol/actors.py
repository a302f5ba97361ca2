"""The names of actors, the causes of kept events: `kind:id`, like the names of rooms."""

from typing import Final


def user(ident: str) -> str:
    """A user, by id."""
    return f"user:{ident}"


def service(ident: str) -> str:
    """A service that connects with a key, by the id of its key."""
    return f"service:{ident}"


def server(part: str) -> str:
    """The server itself, by the acting part: a domain, or `cli`."""
    return f"server:{part}"


COMMAND_LINE: Final = server("cli")
"""An operator who ran a command on the machine. The operating system authenticated the operator,
so the server has no name."""
