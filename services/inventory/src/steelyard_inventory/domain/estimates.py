"""How long something will take, from how long it took here before. Pure.

Durations of steps add up; their spreads do as independent ones do (the square root of the sum of squares): ten steps
seldom are all slow at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KEEP = 200  # of each step and driver, the newest: what was true a year ago is no estimate
FEWEST = 3  # fewer make no range
LOW, MIDDLE, HIGH = 0.1, 0.5, 0.9


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds. Four of five runs took from ``low_s`` to ``high_s``. ``unknown``: steps nobody has run here yet."""

    known: bool
    middle_s: float = 0.0
    low_s: float = 0.0
    high_s: float = 0.0
    runs: int = 0  # of the step with the fewest
    unknown: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        seconds = (self.middle_s, self.low_s, self.high_s)
        p50, low, high = (round(value, 1) if self.known else None for value in seconds)
        return {
            "text": words(self), "p50_s": p50, "low_s": low, "high_s": high, "runs": self.runs,
            "unknown_steps": list(self.unknown),
        }  # fmt: skip


UNKNOWN = Estimate(known=False)


def quantile(samples: Sequence[float], share: float) -> float:
    """Between the two nearest samples, in proportion. ``samples`` are not empty."""
    ordered = sorted(samples)
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def estimate(names: Iterable[str], durations: Mapping[str, Sequence[float]]) -> Estimate:
    """Of these steps in a row; ``durations``: step → seconds of its runs."""
    wanted = list(names)
    known = [durations[name] for name in wanted if durations.get(name)]
    unknown = tuple(dict.fromkeys(name for name in wanted if not durations.get(name)))
    if not known:
        return Estimate(known=False, unknown=unknown)
    middles = [quantile(each, MIDDLE) for each in known]
    middle = sum(middles)
    below = math.hypot(*(mid - quantile(each, LOW) for mid, each in zip(middles, known, strict=True)))
    above = math.hypot(*(quantile(each, HIGH) - mid for mid, each in zip(middles, known, strict=True)))
    return Estimate(
        known=True, middle_s=middle, low_s=max(0.0, middle - below), high_s=middle + above,
        runs=min(len(each) for each in known), unknown=unknown,
    )  # fmt: skip


def left(whole: Estimate, passed_s: float) -> Estimate:
    """What is left after ``passed_s``; never less than nothing."""
    if not whole.known:
        return whole
    middle, low, high = (max(0.0, value - passed_s) for value in (whole.middle_s, whole.low_s, whole.high_s))
    return Estimate(known=True, middle_s=middle, low_s=low, high_s=high, runs=whole.runs, unknown=whole.unknown)


def words(given: Estimate) -> str:
    """``about 7 min (80 % took 5–9 min)``, ``unknown``."""
    if not given.known:
        return "unknown: none of these steps has run here yet" if given.unknown else "unknown"
    text = f"about {span(given.middle_s)}"
    if given.runs >= FEWEST:
        low, high = span(given.low_s), span(given.high_s)
        text += f" (80 % took {_range(low, high)})" if low != high else ""
    else:
        text += f" ({given.runs} run{'' if given.runs == 1 else 's'} so far)"
    if given.unknown:
        text = f"at least {text}; {', '.join(given.unknown)} never ran here"
    return text


def span(seconds: float) -> str:
    """A length of time as people say it: 40 s, 7 min, 2 h 10 min, 3 d."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 99.5:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest and hours < 10 else f"{round(minutes / 60)} h"
    return f"{round(hours / 24)} d"


def _range(low: str, high: str) -> str:
    """5–9 min; 40 s–2 min."""
    number, _, unit = low.rpartition(" ")
    return (
        f"{number}–{high}" if number.isdigit() and high.endswith(f" {unit}") and " h " not in high else f"{low}–{high}"
    )
