"""Who may come in: passwords, tokens, log-ins, service keys."""

from server.auth.passwords import Passwords
from server.auth.secret import SECRET_MIN_BYTES, load_secret
from server.auth.service import Auth
from server.auth.tokens import Tokens

__all__ = ["SECRET_MIN_BYTES", "Auth", "Passwords", "Tokens", "load_secret"]
