"""Log-ins that fail are counted, so that guessing is slow and an attacker slows down only himself.

Failures are counted three times: by network; by account and network; and by account, from networks
that the account has not logged in from before. An attacker in one network uses up what that
network has for the account: 10 at once, then 0.1 a second. The user in another network is not
concerned. An attacker in many networks uses up what the account has for new ones: the user still
logs in from known ones, and guesses stay bounded, whatever the number of networks, at
50 + 0.2 * 86,400 = 17,330 on the first day and 17,280 on any other. An attacker within a network
that the account uses has 8,650 more there, as the two can't be told apart.
Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies". A network takes the place of
the cookie, which clients that are no browsers do not keep.

No answer to a wrong password may show that a network is known, or its other clients learn that the
account exists. So a network that is not known is refused no earlier than a known one: the
password is checked, and what is counted of the account decides only whether a right one is
accepted. What the answer to a wrong one says is decided by what was typed as the login, whether
that means a user or not; the two names of a user are one account, and nobody sees that either.

A token is taken before a password is looked at, so that no crowd gets past a count, and given back
where the password was right.
"""

from typing import Final

from protocol.errors import Failure
from protocol.message import RATES, Limit
from server.gateway import Limits
from server.runtime.clock import Clock

_FAILURES: Final = Limit.LOGIN
_RATES: Final = {_FAILURES: RATES[_FAILURES]}
ACCOUNT_RATE: Final = (0.2, 50)
"""Failures of one account from new networks, a second and at once: twice as many a second as one
network may have, so that one attacker leaves as much for everybody else."""


class Attempt:
    """One log-in under way. `is_checked`: its password is computed, or was."""

    def __init__(self, attempts: "Attempts", login: str, network: str, wait_s: float) -> None:
        self._attempts = attempts
        self._network = network
        self._wait_s = wait_s
        self._taken = [(attempts.networks, network), (attempts.pairs, _pair(login, network))]
        if not wait_s:
            self._taken.append((attempts.logins, login))
        self.in_vain = False
        self.is_checked = False

    def means(self, user_id: str, *, is_known: bool) -> None:
        """The login is a user's, who has logged in from the network before or not.

        `in_vain` where too many failed, under any of their names. That is not told apart from a
        wrong password: a name that is refused at once, because of what was tried under another,
        would show that both are the same user's.
        """
        attempts = self._attempts
        counts = [(attempts.user_pairs, _pair(user_id, self._network))]
        if not is_known:
            counts.append((attempts.users, user_id))
        for limits, key in counts:
            if limits.take(key, _FAILURES, attempts.now()):
                self.in_vain = True
                return
            self._taken.append((limits, key))

    def checking(self) -> None:
        """Its password is being computed: now it counts, whether the client waits or not."""
        self.is_checked = True

    def refusal(self, wrong: Failure) -> Failure:
        """The answer to a log-in that is not accepted: that it is wrong, or comes too early.

        It depends on the login alone, and not on the account.
        """
        if self._wait_s:
            return self._attempts.logins.refusal(_FAILURES, self._wait_s)
        return wrong

    def give_back(self) -> None:
        """It was right, or its password never came to be looked at: it does not count."""
        for limits, key in self._taken:
            limits.give_back(key, _FAILURES)
        self._taken.clear()


class Attempts:
    """All log-ins of one process. `networks`: the limits that it shares with the gateway."""

    def __init__(self, networks: Limits, clock: Clock) -> None:
        self.networks = networks
        self.pairs = Limits(_RATES)
        self.user_pairs = Limits(_RATES)
        self.logins = Limits({_FAILURES: ACCOUNT_RATE}, whose=" per account")
        self.users = Limits({_FAILURES: ACCOUNT_RATE})
        self._clock = clock

    def now(self) -> float:
        """Seconds that only ever grow."""
        return self._clock.monotonic()

    def begin(self, login: str, network: str) -> Attempt:
        """Count a log-in. Raises Failure `rate_limited`, whether there is such a login or not."""
        login = login.casefold()
        pair = _pair(login, network)
        self.pairs.check(pair, _FAILURES, self.now())
        try:
            self.networks.check(network, _FAILURES, self.now())
        except BaseException:
            self.pairs.give_back(pair, _FAILURES)
            raise
        return Attempt(self, login, network, self.logins.take(login, _FAILURES, self.now()))


def _pair(account: str, network: str) -> str:
    """The name of a count. A network has no space in it, so no two pairs have the same."""
    return f"{network} {account}"
