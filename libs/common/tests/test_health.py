"""Health of a service whose parts stand still."""

from __future__ import annotations

import threading

import pytest
from steelyard_common import health
from steelyard_common.errors import Unavailable
from steelyard_common.health import Parts


def _fail() -> bool:
    raise Unavailable("away")


def test_a_part_that_says_nothing_is_not_well_and_holds_no_second_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ANSWER_WITHIN_S", 1.0)
    freed, asked = threading.Event(), []

    def frozen() -> bool:
        asked.append(threading.current_thread())
        return freed.wait(60)

    parts = Parts()
    for name, check in {"frozen": frozen, "well": lambda: True, "away": _fail}.items():
        parts.add(name, check=check)

    assert [parts.health() for _ in range(3)] == [{"frozen": False, "well": True, "away": False}] * 3
    assert len(asked) == 1

    freed.set()
    asked[0].join(60)
    assert parts.health()["frozen"]
