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
        "signs tokens, at least 32 bytes; made and kept in DATA_DIR where it is not given",
        alias="JWT_SECRET_KEY",
        secret=True,
    )
    access_token_expire_minutes: int = setting(
        integer(1, 1440), 15, "life of an access token", unit="minutes"
    )
    refresh_token_expire_days: int = setting(
        integer(1, 365), 7, "life of a refresh token", unit="days"
    )
    registration: str = setting(one_of("open", "closed"), "open", "whether anybody may register")
    password_hash_cost: int = setting(
        integer(4, 16), 12, "bcrypt's cost, as a power of two; at least 10 in production"
    )

    def problems(self, *, production: bool) -> list[str]:
        """Problems of values that can be read, but not used as they are."""
        problems = []
        if self.secret_key is None and production:
            problems.append("SECRET_KEY must be given in production")
        if self.secret_key is not None and len(self.secret_key.encode()) < SECRET_MIN_BYTES:
            problems.append(f"SECRET_KEY must have at least {SECRET_MIN_BYTES} bytes")
        if production and self.password_hash_cost < 10:
            problems.append("PASSWORD_HASH_COST must be at least 10 in production")
        return problems
