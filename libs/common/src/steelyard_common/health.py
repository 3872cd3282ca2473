"""Is this process alive, is it ready: parts with a name and a question each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .errors import SteelyardError

Check = Callable[[], bool]


class Parts:
    """What a running service is made of: stopped in the reverse order of ``add``, asked by ``/health/ready``."""

    def __init__(self) -> None:
        self._stops: list[Callable[[], None]] = []
        self._checks: dict[str, Check] = {}

    def add(self, name: str, *, stop: Callable[[], None] | None = None, check: Check | None = None) -> None:
        if stop is not None:
            self._stops.append(stop)
        if check is not None:
            self._checks[name] = check

    def health(self) -> Mapping[str, bool]:
        """Each part's answer; one that raises is not well."""
        return {name: _ask(check) for name, check in self._checks.items()}

    def stop(self) -> None:
        """Stop all parts, the last one first, also when one of them fails; the first failure is raised at the end."""
        failure: Exception | None = None
        while self._stops:
            try:
                self._stops.pop()()
            except (SteelyardError, OSError, RuntimeError) as error:
                failure = failure or error
        if failure is not None:
            raise failure


def _ask(check: Check) -> bool:
    try:
        return check()
    except (SteelyardError, OSError):
        return False


def report(parts: Mapping[str, bool], **more: Any) -> tuple[int, dict[str, Any]]:
    """HTTP status and body of ``/health/ready``: 200 when every part is well, else 503."""
    well = all(parts.values())
    body = {"status": "ready" if well else "not ready", "parts": dict(parts), **more}
    return (200 if well else 503), body
