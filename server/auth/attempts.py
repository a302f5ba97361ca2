"""Log-ins that fail are counted: by what was given, by whom it means, and by address.

A token is taken before a password is looked at, so that no crowd gets past a count, and given back
where the password was right.
"""

from typing import Final

from protocol.message import RATES, Limit
from server.gateway import Limits
from server.runtime.clock import Clock

_FAILURES: Final = Limit.LOGIN
_RATES: Final = {_FAILURES: RATES[_FAILURES]}


class Attempt:
    """One log-in under way."""

    def __init__(self, attempts: "Attempts", login: str, address: str) -> None:
        self._attempts = attempts
        self._login = login
        self._address = address
        self._person: str | None = None
        self.in_vain = False

    def means(self, person: str) -> None:
        """The login is a person's. `in_vain` where too many failed under any of their names.

        That is not told apart from a wrong password: who is refused under one name at once because
        of what was tried under another learns that both are the same person's.
        """
        if self._attempts.people.take(person, _FAILURES, self._attempts.now()):
            self.in_vain = True
        else:
            self._person = person

    def give_back(self) -> None:
        """It was right, or never came to be looked at: it does not count."""
        self._attempts.logins.give_back(self._login, _FAILURES)
        self._attempts.addresses.give_back(self._address, _FAILURES)
        if self._person is not None:
            self._attempts.people.give_back(self._person, _FAILURES)


class Attempts:
    """All log-ins of one process. `addresses`: the limits that it shares with the gateway."""

    def __init__(self, addresses: Limits, clock: Clock) -> None:
        self.logins = Limits(_RATES)
        self.people = Limits(_RATES)
        self.addresses = addresses
        self._clock = clock

    def now(self) -> float:
        """Seconds that only ever grow."""
        return self._clock.monotonic()

    def begin(self, login: str, address: str) -> Attempt:
        """Count a log-in. Raises Failure `rate_limited`, whether there is such a login or not."""
        login = login.casefold()
        self.logins.check(login, _FAILURES, self.now())
        try:
            self.addresses.check(address, _FAILURES, self.now())
        except BaseException:
            self.logins.give_back(login, _FAILURES)
            raise
        return Attempt(self, login, address)
