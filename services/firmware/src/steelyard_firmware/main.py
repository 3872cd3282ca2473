"""Puts the real parts together: the only place that knows them all."""

from __future__ import annotations

from steelyard_common import runner
from steelyard_common.provider import service_spec
from steelyard_common.provider.starting import now

from .domain import OFFER
from .handlers import step_functions
from .settings import Settings

SPEC = service_spec(OFFER, Settings, lambda _settings, _bus: step_functions(now))


def main() -> int:
    """→ exit status"""
    return runner.main(SPEC)
