"""A server whose rate limits are a million times wider, and otherwise as it is."""

from protocol.message import REGISTRY
from server.cli import main

REGISTRY.limit_scale *= 1_000_000  # type: ignore[misc]

if __name__ == "__main__":
    main()
