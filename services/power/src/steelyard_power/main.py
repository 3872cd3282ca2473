"""Puts the real parts together: the only place that knows them all."""

from __future__ import annotations

from steelyard_common.db import Database

from .drivers import Conversations
from .service.management import TALKS, talking
from .service.set_power import PowerChanges
from .service.slices import Clock, StepFunction

MIGRATIONS = "steelyard_power:migrations"


def step_functions(
    database: Database, conversations: Conversations, clock: Clock, *, step_timeout_s: float, grace_s: float
) -> dict[tuple[str, str], StepFunction]:
    """(interface, name) → what runs a slice of that step; the rows of domain.catalogue."""
    changes = PowerChanges(database, conversations, clock, step_timeout_s=step_timeout_s, grace_s=grace_s)
    functions: dict[tuple[str, str], StepFunction] = {("power", "set_power"): changes.run}
    for (interface, name), talk in TALKS.items():
        functions[interface, name] = talking(conversations, interface, talk, step_timeout_s)
    return functions
