"""Figures beside what they are to be: a table for people, JSON for machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One value. ``target``: at most that, or at least with ``more``. ``ironic``: Ironic 39, same kind of machine."""

    name: str
    unit: str
    value: float
    target: float | None
    ironic: float | None
    more: bool = False

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        met = self.value >= self.target if self.more else self.value <= self.target
        return "met" if met else "MISSED"


def table(figures: list[Figure]) -> str:
    head = ("what", "value", "unit", "target", "Ironic 39", "")
    rows = [head]
    for figure in figures:
        target = "" if figure.target is None else f"{'≥' if figure.more else '≤'} {figure.target:g}"
        ironic = "" if figure.ironic is None else f"{figure.ironic:g}"
        rows.append((figure.name, f"{figure.value:.2f}", figure.unit, target, ironic, figure.verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def write(figures: list[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([{**asdict(figure), "verdict": figure.verdict} for figure in figures], indent=1) + "\n")
