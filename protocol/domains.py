"""All domains of the contract: importing them fills the registry."""

import importlib
import pkgutil
from types import ModuleType
from typing import Final

import protocol

APART: Final = frozenset({"client", "domains", "facts", "spec", "asyncapi"})
"""The client, and what reads the registry to write about it."""


def load() -> list[ModuleType]:
    """Every module of the contract, imported. But for those apart."""
    names = sorted(m.name for m in pkgutil.iter_modules(protocol.__path__))
    return [importlib.import_module(f"protocol.{n}") for n in names if n not in APART]
