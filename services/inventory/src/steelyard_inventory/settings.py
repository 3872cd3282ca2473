"""What inventory reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from steelyard_common.settings import DatabaseSettings, boolean, env, positive, seconds

SCHEMA = "inventory"


def count(value: str) -> int:
    """A whole number from 0."""
    if not value.isdecimal():
        raise ValueError("a whole number, 0 or more, is expected")
    return int(value)


def step_names(value: str) -> tuple[str, ...]:
    """Steps, with commas: interface.step."""
    names = tuple(filter(None, (each.strip() for each in value.split(","))))
    if any(name.count(".") != 1 for name in names):
        raise ValueError("steps are expected as interface.step, with commas")
    return () if names == ("none.none",) else names


def step_priorities(value: str) -> dict[str, int]:
    """Steps with their priorities, with commas: interface.step=n."""
    pairs = [each.partition("=") for each in filter(None, (piece.strip() for piece in value.split(",")))]
    if any(name.count(".") != 1 or not number.isdecimal() for name, _, number in pairs):
        raise ValueError("priorities are expected as interface.step=number, with commas")
    return {name: int(number) for name, _, number in pairs}


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
        default=True,
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
    automatic_lessee: bool = field(
        default=True,
        metadata=env(
            "STEELYARD_AUTOMATIC_LESSEE", "who deploys a node is its lessee till it is undeployed", parse=boolean
        ),
    )
    clean_wait_timeout_s: float = field(
        default=1800.0, metadata=env("STEELYARD_CLEAN_WAIT_TIMEOUT_S", "limit of a clean wait", parse=seconds)
    )
    deploy_wait_timeout_s: float = field(
        default=1800.0, metadata=env("STEELYARD_DEPLOY_WAIT_TIMEOUT_S", "limit of a wait call-back", parse=seconds)
    )
    rescue_wait_timeout_s: float = field(
        default=1800.0, metadata=env("STEELYARD_RESCUE_WAIT_TIMEOUT_S", "limit of a rescue wait", parse=seconds)
    )
    service_wait_timeout_s: float = field(
        default=1800.0, metadata=env("STEELYARD_SERVICE_WAIT_TIMEOUT_S", "limit of a service wait", parse=seconds)
    )
    inspect_wait_timeout_s: float = field(
        default=1800.0, metadata=env("STEELYARD_INSPECT_WAIT_TIMEOUT_S", "limit of an inspect wait", parse=seconds)
    )
    hold_timeout_s: float = field(
        default=604_800.0,
        metadata=env("STEELYARD_HOLD_TIMEOUT_S", "limit of a hold, after which the work failed", parse=seconds),
    )
    denied_steps: tuple[str, ...] = field(
        default=("vendor.send_raw",),
        metadata=env(
            "STEELYARD_DENIED_STEPS", "steps nobody may ask for (interface.step,…); none.none = all are allowed",
            parse=step_names,
        ),
    )  # fmt: skip
    clean_priorities: dict[str, int] = field(
        default_factory=dict,
        metadata=env(
            "STEELYARD_CLEAN_PRIORITIES", "priorities of automated clean steps (interface.step=n,…; 0 = off)",
            parse=step_priorities,
        ),
    )  # fmt: skip
    power_off_after_deploy_failure: bool = field(
        default=True,
        metadata=env(
            "STEELYARD_POWER_OFF_AFTER_DEPLOY_FAILURE", "switch a node off that failed to deploy", parse=boolean
        ),
    )
    max_deploys: int = field(
        default=0, metadata=env("STEELYARD_MAX_DEPLOYS", "deployments at once, then 503; 0 = no limit", parse=count)
    )
    max_cleans: int = field(
        default=0, metadata=env("STEELYARD_MAX_CLEANS", "cleanings at once, then 503; 0 = no limit", parse=count)
    )
