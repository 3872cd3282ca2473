"""Figures of power for /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

ACTIONS = Counter("steelyard_power_actions_total", "Power actions sent to BMCs.", ["action"])

POLLS = Counter("steelyard_power_polls_total", "Power states read by the sync, by outcome.", ["outcome"])
SKIPPED = Counter("steelyard_power_skipped_total", "Nodes that the sync left alone, by reason.", ["reason"])
BMC_SECONDS = Histogram("steelyard_power_bmc_seconds", "Time until a BMC told its power state.")
STATE_AGE = Histogram(
    "steelyard_power_state_age_seconds",
    "Age that a power state had reached when it was read anew.",
    buckets=(5, 10, 20, 30, 40, 45, 50, 55, 60, 75, 90, 120, 300, 900),
)
STATE_AGE_MAX = Gauge(
    "steelyard_power_state_age_max_seconds", "Greatest age that any power state reached in the last turn of each shard."
)
UNREACHABLE = Gauge("steelyard_power_unreachable_nodes", "Nodes of this replica's last turns whose BMC did not answer.")
POLL_THREADS = Gauge("steelyard_power_poll_threads", "Threads that poll now.")
TURNS = Counter("steelyard_power_turns_total", "Turns of shards, by purpose and outcome.", ["purpose", "outcome"])
SENSOR_READS = Counter("steelyard_power_sensor_reads_total", "BMCs whose sensors were read, by outcome.", ["outcome"])
