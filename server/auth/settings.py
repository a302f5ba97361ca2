"""Settings of the domain auth: log-ins and passwords."""

from dataclasses import dataclass

from server.auth.secret import SECRET_MIN_BYTES
from server.runtime.settings import integer, one_of, setting, text


@dataclass(frozen=True, kw_only=True)
class AuthSettings:
    """Settings of the domain auth: log-ins and passwords."""

    secret_key: str | None = setting(
        text,
        None,
        "key that signs tokens, at least 32 bytes; by default generated and stored in DATA_DIR",
        alias="JWT_SECRET_KEY",
        secret=True,
    )
    access_token_expire_minutes: int = setting(
        integer(1, 1440), 15, "lifetime of an access token", unit="minutes"
    )
    refresh_token_expire_days: int = setting(
        integer(1, 365), 7, "lifetime of a refresh token", unit="days"
    )
    registration: str = setting(one_of("open", "closed"), "open", "whether new users may register")
    password_hash_cost: int = setting(
        integer(4, 16), 12, "cost of bcrypt, as a power of two; at least 10 in production"
    )

    def problems(self, *, production: bool) -> list[str]:
        """Problems of values that are valid by themselves, but not in this combination."""
        problems = []
        if self.secret_key is None and production:
            problems.append("SECRET_KEY must be given in production")
        if self.secret_key is not None and len(self.secret_key.encode()) < SECRET_MIN_BYTES:
            problems.append(f"SECRET_KEY must have at least {SECRET_MIN_BYTES} bytes")
        if production and self.password_hash_cost < 10:
            problems.append("PASSWORD_HASH_COST must be at least 10 in production")
        return problems
