"""Is this process alive, is it ready: parts with a name and a question each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import Any

from .errors import SteelyardError

Check = Callable[[], bool]
ANSWER_WITHIN_S = 2.0  # a part that stands still is not well


class Parts:
    """What a running service is made of: stopped in the reverse order of ``add``, asked by ``/health/ready``."""

    def __init__(self) -> None:
        self._stops: list[Callable[[], None]] = []
        self._checks: dict[str, Check] = {}
        self._asked: dict[str, Future[bool]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, *, stop: Callable[[], None] | None = None, check: Check | None = None) -> None:
        if stop is not None:
            self._stops.append(stop)
        if check is not None:
            self._checks[name] = check

    def health(self) -> Mapping[str, bool]:
        """Each part's answer; one that raises, or says nothing for long, is not well."""
        with self._lock:
            asked = {name: self._ask(name, check) for name, check in self._checks.items()}
        until = time.monotonic() + ANSWER_WITHIN_S
        return {name: _answer(answer, until) for name, answer in asked.items()}

    def _ask(self, name: str, check: Check) -> Future[bool]:
        """In a thread of its own; a question that is still open is not asked again."""
        known = self._asked.get(name)
        if known is not None and not known.done():
            return known
        answer = self._asked[name] = Future()
        threading.Thread(target=_run, args=(check, answer), name=f"health-{name}", daemon=True).start()
        return answer

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


def _run(check: Check, answer: Future[bool]) -> None:
    try:
        answer.set_result(check())
    except (SteelyardError, OSError):
        answer.set_result(False)
    except BaseException as error:  # noqa: BLE001  a bug: for who asked
        answer.set_exception(error)


def _answer(answer: Future[bool], until: float) -> bool:
    try:
        return answer.result(max(0.0, until - time.monotonic()))
    except TooLate:
        return False


def report(parts: Mapping[str, bool], **more: Any) -> tuple[int, dict[str, Any]]:
    """HTTP status and body of ``/health/ready``: 200 when every part is well, else 503."""
    well = all(parts.values())
    body = {"status": "ready" if well else "not ready", "parts": dict(parts), **more}
    return (200 if well else 503), body
