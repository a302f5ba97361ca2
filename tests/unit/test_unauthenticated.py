"""Clients that are not authenticated: the network with most of them gives one up."""

import pytest

from server.transport.limits import Unauthenticated

MOST = 4


class Client:
    """A client that has connected and said nothing."""

    def __init__(self) -> None:
        self.is_closed = False

    def give_way(self) -> None:
        """It is closed."""
        self.is_closed = True


@pytest.fixture
def all_of_them() -> Unauthenticated:
    """No client yet."""
    return Unauthenticated(MOST)


def come(all_of_them: Unauthenticated, *addresses: str) -> list[Client]:
    """Connect from each address in turn."""
    clients = []
    for address in addresses:
        clients.append(Client())
        all_of_them.add(clients[-1], address)
    return clients


def test_the_oldest_of_the_fullest_network_gives_way(all_of_them: Unauthenticated) -> None:
    clients = come(all_of_them, "10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.3")
    assert [client.is_closed for client in clients] == [False, True, False, False, False]
    assert len(all_of_them) == MOST


def test_a_flood_closes_its_own_connections_alone(all_of_them: Unauthenticated) -> None:
    (other,) = come(all_of_them, "10.0.0.1")
    flood = come(all_of_them, *["2001:db8::1", "2001:db8::2"] * 50)  # one network: a /64
    assert not other.is_closed
    assert sum(client.is_closed for client in flood) == len(flood) - MOST + 1
    assert not flood[-1].is_closed


def test_a_client_that_is_authenticated_or_gone_is_not_counted(
    all_of_them: Unauthenticated,
) -> None:
    clients = come(all_of_them, *["10.0.0.1"] * MOST)
    all_of_them.discard(clients[0])
    all_of_them.discard(clients[0])
    later = come(all_of_them, "10.0.0.1")
    assert not any(client.is_closed for client in (*clients, *later))
    come(all_of_them, "10.0.0.2")
    assert [client.is_closed for client in clients] == [False, True, False, False]
    for client in (*clients, *later):
        all_of_them.discard(client)
    assert len(all_of_them) == 1


def test_a_client_is_counted_once(all_of_them: Unauthenticated) -> None:
    (client,) = come(all_of_them, "10.0.0.1")
    all_of_them.add(client, "10.0.0.2")
    assert len(all_of_them) == 1


def test_a_client_whose_log_in_is_checked_goes_last(all_of_them: Unauthenticated) -> None:
    first, second, third, fourth = come(all_of_them, "10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3")
    for client in (first, second, third):
        all_of_them.checking(client)
    (fifth,) = come(all_of_them, "10.0.0.4")
    assert [c.is_closed for c in (first, second, third, fourth, fifth)] == [False] * 3 + [
        True,
        False,
    ]
    all_of_them.checking(fifth)
    (sixth,) = come(all_of_them, "10.0.0.5")  # all others wait for the server
    assert (first.is_closed, sixth.is_closed) == (True, False)
    all_of_them.not_accepted(second)
    come(all_of_them, "10.0.0.6")
    assert [c.is_closed for c in (second, third, fifth, sixth)] == [False, False, False, True]
    for client in (second, third, fifth):
        all_of_them.discard(client)
    assert len(all_of_them) == 1
