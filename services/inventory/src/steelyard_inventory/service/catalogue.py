"""The catalogue of steps as the workers announced it, by conductor group: what the planner chooses from.

A worker counts for a minute after its last word even when it said goodbye: a restart must not make verbs fail, and a
step for a service that is away waits in its stream.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection
from steelyard_common.contracts.catalogue import StepSpec, is_external
from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from ..store.workers import Worker
from .workers import ALIVE_S, Workers

log = get_logger(__name__)
Specs = tuple[StepSpec, ...]


class Catalogue:
    """``of`` answers from memory as long as the announcements stay what they are."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._guard = threading.Lock()
        self._announced: list[tuple[Any, ...]] = []
        self._by_group: dict[str, Specs] = {}

    def of(self, connection: Connection | None, group: str) -> Specs:
        """The steps for nodes of a conductor group; workers without a group serve all."""
        directory = self._workers.directory(connection)
        there = [each for each in directory.workers if directory.read_at - each.seen_at <= timedelta(seconds=ALIVE_S)]
        announced = [(each.conductor_group, each.provides, each.steps) for each in there]
        with self._guard:
            if announced != self._announced:
                self._announced, self._by_group = announced, {}
            known = self._by_group.get(group)
        if known is None:
            known = _union(each for each in there if each.conductor_group in ("", group))
            with self._guard:
                self._by_group[group] = known
        return known


def _union(workers: Iterable[Worker]) -> Specs:
    """One row a step; where several workers have it, for the implementations of all of them."""
    found: dict[tuple[str, str], StepSpec] = {}
    for worker in workers:
        for spec in _rows(worker):
            key = (spec.interface, spec.name)
            if key in found and not is_external(spec.interface):
                merged = {*found[key].implementations, *spec.implementations}
                spec = replace(found[key], implementations=tuple(sorted(merged)))
            found[key] = spec
    return tuple(found.values())


def _rows(worker: Worker) -> Iterable[StepSpec]:
    for body in worker.steps:
        try:
            spec = StepSpec.from_dict(body)
        except (SteelyardError, TypeError) as error:
            log.warning("a step cannot be used", worker=worker.instance, reason=str(error))
            continue
        if is_external(spec.interface):
            yield spec
        elif provided := tuple(sorted(spec.implementations or worker.provides.get(spec.interface, ()))):
            yield replace(spec, implementations=provided)
