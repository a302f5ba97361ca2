"""Ids: UUIDs of version 7."""

import re
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import MAX_SAFE, Count, Id, RequestId, uuid7

IDENT = "0192f0c1-2345-7abc-8def-0123456789ab"
moments = st.integers(0, 2**48 - 1)


@given(moments)
def test_an_id_is_a_uuid_of_version_7(ms: int) -> None:
    ident = uuid.UUID(uuid7(ms))
    assert ident.version == 7
    assert ident.variant == uuid.RFC_4122
    assert ident.int >> 80 == ms


@given(moments, moments)
def test_ids_sort_by_their_millisecond(one: int, other: int) -> None:
    if one < other:
        assert uuid7(one) < uuid7(other)


def test_ids_of_one_moment_differ() -> None:
    assert len({uuid7(1) for _ in range(10_000)}) == 10_000


def test_an_id_without_a_moment_is_of_now() -> None:
    before, ident, after = uuid7(), uuid7(), uuid7()
    assert before[:13] <= ident[:13] <= after[:13]


def test_ids_pass_where_ids_are_asked_for() -> None:
    ident = uuid7()
    assert msgspec.convert(ident, Id) == ident
    assert msgspec.convert(ident, RequestId) == ident


@pytest.mark.parametrize("text", ["", "x", "A" * 36, IDENT.upper(), IDENT + "\n", IDENT[1:]])
def test_what_is_no_id_does_not_pass(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Id)


@pytest.mark.parametrize("text", ["", "a b", "a" * 65, "é", "a/b", "a\n"])
def test_what_is_no_request_id_does_not_pass(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, RequestId)


@pytest.mark.parametrize("number", [-1, MAX_SAFE + 1])
def test_a_count_is_one_that_every_client_reads_exactly(number: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(number, Count)


def test_ids_are_written_in_lower_case_with_hyphens() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid7())
