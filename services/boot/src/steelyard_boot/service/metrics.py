"""Figures of artifacts for /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

HITS = Counter("steelyard_artifact_hits_total", "Wishes for what was there already.", ["kind"])
MISSES = Counter("steelyard_artifact_misses_total", "Wishes that began a fetch.", ["kind"])
FETCHES = Counter("steelyard_artifact_fetches_total", "Fetches, by how they ended.", ["outcome"])
FETCH_SECONDS = Histogram(
    "steelyard_artifact_fetch_seconds", "Time of a fetch by one replica, to its end.",
    buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600),
)  # fmt: skip
FETCHED_BYTES = Counter("steelyard_artifact_fetched_bytes_total", "Bytes fetched.")
SERVED_BYTES = Counter("steelyard_artifact_served_bytes_total", "Bytes promised to readers.")
STORED_BYTES = Gauge("steelyard_artifact_stored_bytes", "Bytes of artifacts that lie on the shared folder.", ["kind"])
STORED_FILES = Gauge("steelyard_artifact_stored_files", "Artifacts that lie on the shared folder.", ["kind"])
COLLECTED = Counter("steelyard_artifact_collected_total", "Artifacts that were removed, by why.", ["reason"])
