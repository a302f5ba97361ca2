"""Each domain has one contract, and speaks there of its own messages alone."""

import pytest

from protocol.domains import load
from tests.contracts import CONTRACTS, _united
from tests.support.messages import calls, needs

load()
MODULES = {f"protocol.{name}": contract for name, contract in CONTRACTS.items()}


def test_every_message_stands_in_the_contract_of_its_module() -> None:
    for spec in calls():
        module = spec.type.__module__
        assert module in MODULES, f"write tests/contracts/{module.removeprefix('protocol.')}.py"
        assert MODULES[module].messages[spec.name] is needs(spec)
    spoken_of = sum(len(contract.messages) for contract in CONTRACTS.values())
    assert spoken_of == len(calls())


def test_two_contracts_do_not_speak_of_the_same() -> None:
    assert _united([{"a": 1}, {"b": 2}]) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="two contracts speak of a"):
        _united([{"a": 1}, {"a": 1}])
