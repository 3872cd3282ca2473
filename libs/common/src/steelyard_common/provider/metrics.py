"""Figures of every step provider for /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

STEPS = Counter("steelyard_provider_steps_total", "Slices of steps, by how they ended.", ["step", "outcome"])
STEP_SECONDS = Histogram("steelyard_provider_step_seconds", "Time of one slice of a step.", ["step"])
ANNOUNCEMENTS = Counter(
    "steelyard_provider_announcements_total", "Announcements to inventory, by outcome.", ["outcome"]
)
