"""Settings of the domain health."""

from dataclasses import dataclass

from server.runtime.settings import setting, text


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """Settings of the domain health."""

    metrics_token: str | None = setting(
        text, None, "bearer token that /metrics requires; without it, /metrics is open", secret=True
    )
