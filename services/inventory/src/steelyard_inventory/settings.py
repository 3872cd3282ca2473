"""What inventory reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from steelyard_common.settings import DatabaseSettings, boolean, env, positive, seconds

SCHEMA = "inventory"


@dataclass(frozen=True, kw_only=True)
class Settings(DatabaseSettings):
    """Checked as a whole at the start."""

    workers: int = field(
        default=8,
        metadata=env("STEELYARD_INVENTORY_WORKERS", "bus requests that are worked on at once", parse=positive),
    )
    default_resource_class: str = field(
        default="", metadata=env("STEELYARD_DEFAULT_RESOURCE_CLASS", "of a new node that names none; empty = none")
    )
    automated_clean: bool = field(
        default=False,
        metadata=env("STEELYARD_AUTOMATED_CLEAN", "clean nodes when they are provided", parse=boolean),
    )
    force_power_state: bool = field(
        default=True,
        metadata=env(
            "STEELYARD_FORCE_POWER_STATE_DURING_SYNC",
            "set hardware back to the recorded power state; false = record what is seen",
            parse=boolean,
        ),
    )
    power_sync_tries: int = field(
        default=3,
        metadata=env("STEELYARD_POWER_SYNC_TRIES", "corrections in a row before a node is at fault", parse=positive),
    )
    power_sync_window_s: float = field(
        default=600.0,
        metadata=env("STEELYARD_POWER_SYNC_WINDOW_S", "corrections further apart do not count as a row", parse=seconds),
    )
    timeline_days: int = field(
        default=400,
        metadata=env("STEELYARD_TIMELINE_DAYS", "how long a node's timeline is kept, in days", parse=positive),
    )
