"""`user`: people who log in."""

from typing import Final

import msgspec

from protocol import codec
from protocol.auth import Register
from protocol.permissions import Role
from protocol.users import UserView
from server.auth import Accounts
from server.cli.data import opened
from server.cli.parser import Given
from server.cli.passwords import new_password, show_generated
from server.cli.words import CliError, listing, sure

_HEADS: Final = {
    "username": "NAME",
    "role": "ROLE",
    "disabled": "KEPT OUT",
    "email": "E-MAIL",
    "created_at": "CREATED",
}

_RIGHT: Final = {
    "username": "NAME: 3 to 20 letters, digits, _ or -",
    "email": "--email: an address such as ada@example.org",
}
"""What would have been right, in fewer words than a pattern."""


async def add(given: Given) -> None:
    """Add a person."""
    password = new_password(given, f"Password of {given.name}")
    person = {"username": given.name, "password": password, "email": given.email}
    try:
        checked = codec.convert(person, Register)
    except msgspec.ValidationError as e:
        wrong = codec.unreadable(e).error
        raise CliError(_RIGHT.get(wrong.field or "", wrong.message), code=2) from None
    async with opened(given, new=True) as app:
        user = await app.service(Accounts).add(
            checked.username, checked.password, Role(given.role), checked.email
        )
    print(f"{user.username} is added with the role {user.role}")
    show_generated(given, password)


async def show(given: Given) -> None:
    """List people."""
    role = None if given.role is None else Role(given.role)
    people: list[UserView] = []
    async with opened(given) as app:
        page = await app.service(Accounts).page(given.search, role)
        people += page.items
        while page.next is not None:
            page = await app.service(Accounts).page(given.search, role, cursor=page.next)
            people += page.items
    rows = [msgspec.to_builtins(user) for user in people]
    print(listing(rows, _HEADS, as_json=given.json))


async def set_role(given: Given) -> None:
    """Give a person another role."""
    async with opened(given) as app:
        await app.service(Accounts).set_role(given.name, Role(given.role))
    print(f"{given.name} has the role {given.role}")


async def set_password(given: Given) -> None:
    """Give a person another password."""
    password = new_password(given, f"New password of {given.name}")
    async with opened(given) as app:
        await app.service(Accounts).set_password(given.name, password)
    print(f"{given.name} has another password; all log-ins have ended")
    show_generated(given, password)


async def disable(given: Given) -> None:
    """Keep a person out."""
    async with opened(given) as app:
        await app.service(Accounts).disable(given.name)
    print(f"{given.name} is kept out")


async def enable(given: Given) -> None:
    """Let a person log in again."""
    async with opened(given) as app:
        await app.service(Accounts).enable(given.name)
    print(f"{given.name} may log in")


async def delete(given: Given) -> None:
    """Delete a person."""
    if not given.yes:
        sure(f"{given.name} and all that belongs to them is deleted, for good")
    async with opened(given) as app:
        await app.service(Accounts).delete(given.name)
    print(f"{given.name} is deleted")
