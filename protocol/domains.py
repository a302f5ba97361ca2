"""All domains of the contract: importing them fills the registry."""

import importlib
import pkgutil
from types import ModuleType
from typing import Final

import protocol

APART: Final = frozenset({"client", "domains", "facts", "spec", "asyncapi"})
"""The client, and the modules that write documents from the registry."""


def load() -> list[ModuleType]:
    """Import and return every module of the contract, without those in APART."""
    names = sorted(m.name for m in pkgutil.iter_modules(protocol.__path__))
    return [importlib.import_module(f"protocol.{n}") for n in names if n not in APART]
