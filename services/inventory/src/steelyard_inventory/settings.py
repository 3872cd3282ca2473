"""What inventory reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from steelyard_common.settings import DatabaseSettings, boolean, env, positive, seconds, some_seconds

from .domain.traits import is_trait
from .domain.webhooks import PAUSES_S

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


def class_limits(value: str) -> dict[str, int]:
    """Limits of resource classes, with commas: class=n; * is every other class."""
    pairs = [each.partition("=") for each in filter(None, (piece.strip() for piece in value.split(",")))]
    if any(not name.strip() or not number.strip().isdecimal() for name, _, number in pairs):
        raise ValueError("limits are expected as class=number, with commas")
    return {name.strip(): int(number) for name, _, number in pairs}


def trait_names(value: str) -> tuple[str, ...]:
    """Traits, with commas."""
    names = tuple(sorted(set(filter(None, (each.strip() for each in value.split(","))))))
    if wrong := [name for name in names if not is_trait(name)]:
        raise ValueError(f"{wrong[0]} is neither a standard trait nor CUSTOM_…")
    return names


def pauses(value: str) -> tuple[float, ...]:
    """Seconds, with commas."""
    return tuple(seconds(each.strip()) for each in value.split(","))


def property_path(value: str) -> tuple[str, ...]:
    """A key of properties, with dots between levels; `properties.` in front may be left out."""
    path = tuple(value.removeprefix("properties.").split("."))
    if not all(path):
        raise ValueError("a key of properties is expected, as zone or location.zone")
    return path


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
    default_traits: tuple[str, ...] = field(
        default=(),
        metadata=env("STEELYARD_DEFAULT_TRAITS", "traits of every new node, with commas", parse=trait_names),
    )
    default_quota: dict[str, int] = field(
        default_factory=dict,
        metadata=env(
            "STEELYARD_DEFAULT_QUOTA",
            "nodes that a project may have, by resource class (class=n,…; * = every other), where it has no quota",
            parse=class_limits,
        ),
    )
    zone_key: tuple[str, ...] = field(
        default=("zone",),
        metadata=env(
            "STEELYARD_ZONE_KEY", "which property of a node is its availability zone (as properties.location.zone)",
            parse=property_path,
        ),
    )  # fmt: skip
    automated_clean: bool = field(
        default=True,
        metadata=env("STEELYARD_AUTOMATED_CLEAN", "clean nodes when they are provided", parse=boolean),
    )
    fast_track: bool = field(
        default=False,
        metadata=env(
            "STEELYARD_FAST_TRACK",
            "keep agents running between two works on a node, unless its driver_info says fast_track false",
            parse=boolean,
        ),
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
    webhook_pauses_s: tuple[float, ...] = field(
        default=PAUSES_S,
        metadata=env(
            "STEELYARD_WEBHOOK_PAUSES_S",
            "seconds to wait after each try of a webhook that failed, with commas; after the last it is a dead letter",
            parse=pauses,
        ),
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
        default=1800.0, metadata=env("STEELYARD_CLEAN_WAIT_TIMEOUT_S", "limit of a clean wait", parse=some_seconds)
    )
    deploy_wait_timeout_s: float = field(
        default=1800.0, metadata=env("STEELYARD_DEPLOY_WAIT_TIMEOUT_S", "limit of a wait call-back", parse=some_seconds)
    )
    rescue_wait_timeout_s: float = field(
        default=1800.0, metadata=env("STEELYARD_RESCUE_WAIT_TIMEOUT_S", "limit of a rescue wait", parse=some_seconds)
    )
    service_wait_timeout_s: float = field(
        default=1800.0, metadata=env("STEELYARD_SERVICE_WAIT_TIMEOUT_S", "limit of a service wait", parse=some_seconds)
    )
    inspect_wait_timeout_s: float = field(
        default=1800.0, metadata=env("STEELYARD_INSPECT_WAIT_TIMEOUT_S", "limit of an inspect wait", parse=some_seconds)
    )
    hold_timeout_s: float = field(
        default=604_800.0,
        metadata=env("STEELYARD_HOLD_TIMEOUT_S", "limit of a hold, after which the work failed", parse=some_seconds),
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
