"""Who may come in: passwords, tokens, log-ins, service keys."""

from server.auth.accounts import Accounts
from server.auth.attempts import Attempts
from server.auth.callers import Callers
from server.auth.passwords import Passwords
from server.auth.people import People
from server.auth.rights import Rights
from server.auth.secret import SECRET_FILE, SECRET_MIN_BYTES, load_secret
from server.auth.service import Auth
from server.auth.tokens import Tokens

__all__ = [
    "SECRET_FILE",
    "SECRET_MIN_BYTES",
    "Accounts",
    "Attempts",
    "Auth",
    "Callers",
    "Passwords",
    "People",
    "Rights",
    "Tokens",
    "load_secret",
]
