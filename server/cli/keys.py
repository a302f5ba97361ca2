"""`service-key`: keys of services that connect."""

from protocol.times import rfc3339
from server.auth import Accounts
from server.cli.data import opened
from server.cli.parser import Given
from server.cli.words import listing


async def add(given: Given) -> None:
    """Make a key, and print it."""
    async with opened(given, new=True) as app:
        print(await app.service(Accounts).add_service_key(given.name, given.scope))


async def show(given: Given) -> None:
    """List all keys."""
    async with opened(given) as app:
        keys = await app.service(Accounts).service_keys()
    rows = [
        {
            "name": key.name,
            "scopes": list(key.scopes),
            "revoked": key.revoked,
            "created_at": rfc3339(key.created_at),
        }
        for key in keys
    ]
    heads = {"name": "NAME", "scopes": "SCOPES", "revoked": "REVOKED", "created_at": "CREATED"}
    print(listing(rows, heads, as_json=given.json))


async def revoke(given: Given) -> None:
    """End a key."""
    async with opened(given) as app:
        await app.service(Accounts).revoke_service_key(given.name)
    print(f"the service key {given.name} is revoked")
