"""Roles, and what each may do."""

import pytest

from protocol.permissions import GRANTS, SCOPES, Permission, Role, granted


@pytest.mark.parametrize("role", Role)
def test_every_role_may_connect(role: Role) -> None:
    assert Permission.CONNECT in granted(role)


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.PLAYER, {Permission.PLAY}),
        (Role.VIEWER, {Permission.READ}),
        (Role.USER, {Permission.PLAY, Permission.READ, Permission.OPERATE}),
        (
            Role.ADMIN,
            {Permission.PLAY, Permission.READ, Permission.OPERATE, Permission.ADMINISTER},
        ),
        (Role.AGENT, {Permission.AGENT}),
    ],
)
def test_a_role_may_do_this_and_nothing_else(role: Role, may: set[Permission]) -> None:
    assert granted(role) == may | {Permission.CONNECT}


def test_only_an_admin_administers() -> None:
    assert [r for r in Role if Permission.ADMINISTER in granted(r)] == [Role.ADMIN]


def test_every_role_has_its_grants() -> None:
    assert set(GRANTS) == set(Role)


def test_a_service_key_neither_plays_nor_administers() -> None:
    assert {Permission.READ, Permission.OPERATE} == SCOPES
