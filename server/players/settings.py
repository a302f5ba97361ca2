"""Settings of the domain players."""

from dataclasses import dataclass

from server.runtime.settings import number, setting


@dataclass(frozen=True, kw_only=True)
class PlayerSettings:
    """Settings of the domain players."""

    stamina_regen_interval: float = setting(
        number(0.05, 3600), 10.0, "interval between two regenerations of stamina", unit="seconds"
    )
    stamina_regen_percent: float = setting(
        number(0.001, 1), 0.1, "part of the maximum that each regeneration adds", unit="ratio"
    )
