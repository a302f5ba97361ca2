"""All domains of the contract: importing them fills the registry."""

import importlib
import pkgutil
from types import ModuleType
from typing import Final

import protocol

_APART: Final = frozenset({"client", "domains", "spec"})


def load() -> list[ModuleType]:
    """Every module of the contract, imported. The client and the documents are none of it."""
    names = sorted(m.name for m in pkgutil.iter_modules(protocol.__path__))
    return [importlib.import_module(f"protocol.{n}") for n in names if n not in _APART]
