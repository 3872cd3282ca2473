"""What power reads from its environment, once, at the start."""

from __future__ import annotations

from dataclasses import dataclass, field

from steelyard_common.provider import ProviderSettings
from steelyard_common.settings import (
    DatabaseSettings,
    SealSettings,
    boolean,
    env,
    positive,
    rate,
    seconds,
    some_seconds,
)


@dataclass(frozen=True, kw_only=True)
class Settings(DatabaseSettings, SealSettings, ProviderSettings):
    """All of it; times in seconds."""

    sync_interval_s: float = field(
        default=60,
        metadata=env(
            "STEELYARD_POWER_SYNC_INTERVAL_S", "no power state gets older than this; 0 = no sync", parse=seconds
        ),
    )
    sync_parallel: int = field(
        default=8, metadata=env("STEELYARD_POWER_SYNC_PARALLEL", "BMCs read at once by the sync", parse=positive)
    )
    sync_timeout_s: float = field(
        default=10,
        metadata=env("STEELYARD_POWER_SYNC_TIMEOUT_S", "time one BMC has to answer the sync", parse=some_seconds),
    )
    health_interval_s: float = field(
        default=300,
        metadata=env("STEELYARD_POWER_HEALTH_INTERVAL_S", "how often health is read; 0 = never", parse=seconds),
    )
    sensor_interval_s: float = field(
        default=600,
        metadata=env("STEELYARD_POWER_SENSOR_INTERVAL_S", "how often sensors are read; 0 = never", parse=seconds),
    )
    sensor_parallel: int = field(
        default=2,
        metadata=env("STEELYARD_POWER_SENSOR_PARALLEL", "BMCs whose sensors are read at once", parse=positive),
    )
    sensor_timeout_s: float = field(
        default=30,
        metadata=env("STEELYARD_POWER_SENSOR_TIMEOUT_S", "time one BMC has to tell its sensors", parse=some_seconds),
    )
    sensor_metrics: bool = field(
        default=True, metadata=env("STEELYARD_POWER_SENSOR_METRICS", "numeric readings on /metrics", parse=boolean)
    )
    step_workers: int = field(
        default=32, metadata=env("STEELYARD_POWER_STEP_WORKERS", "steps of one interface run at once", parse=positive)
    )
    step_timeout_s: float = field(
        default=30,
        metadata=env("STEELYARD_POWER_STEP_TIMEOUT_S", "time one slice of a step has with the BMC", parse=some_seconds),
    )
    grace_s: float = field(
        default=10,
        metadata=env(
            "STEELYARD_POWER_GRACE_S",
            "how long an action is watched for that was begun by a process that died",
            parse=seconds,
        ),
    )
    bmc_calls_per_s: float = field(
        default=20, metadata=env("STEELYARD_POWER_BMC_CALLS_PER_S", "call budget of one BMC", parse=rate)
    )
    bmc_backoff_max_s: float = field(
        default=120,
        metadata=env(
            "STEELYARD_POWER_BMC_BACKOFF_MAX_S",
            "longest time that background reads leave a failed BMC alone",
            parse=seconds,
        ),
    )
