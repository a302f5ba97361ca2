"""What is set of health and metrics."""

from dataclasses import dataclass

from server.runtime.settings import setting, text


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """What is set of health and metrics."""

    metrics_token: str | None = setting(
        text, None, "bearer token that /metrics asks for, where given", secret=True
    )
