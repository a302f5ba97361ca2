"""Conformance mode: the gateway without a game, for protocol suites and load generators."""

from server.conformance.site import serve

__all__ = ["serve"]
