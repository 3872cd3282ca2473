"""Where Steelyard answers otherwise on purpose: read from differences.toml, which says how it is written.

`docs/reference/api-differences.md` is made from it: ``python -m docs.generate``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .asking import Ask
from .comparing import Difference

SOURCE = Path(__file__).with_name("differences.toml")


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """One row of the page. ``match``: pairs of regular expressions: one is found in the request's text, one is the
    whole place of the difference; empty for what the script cannot provoke. ``rules``: the same for names of rules."""

    section: str
    request: str
    ironic: str
    here: str
    reason: str
    match: tuple[tuple[str, str], ...] = ()
    rules: tuple[str, ...] = ()

    def covers(self, ask: Ask, found: Difference) -> bool:
        return any(re.search(asked, str(ask)) and re.fullmatch(where, found.where) for asked, where in self.match)


def _read() -> tuple[Allowed, ...]:
    rows = tomllib.loads(SOURCE.read_text())["differs"]
    return tuple(
        Allowed(**row | {"match": tuple(map(tuple, row.get("match", ()))), "rules": tuple(row.get("rules", ()))})
        for row in rows
    )


ALLOWED = _read()


def unexplained(ask: Ask, found: Iterable[Difference]) -> list[Difference]:
    """The differences that no row covers."""
    return [each for each in found if not any(row.covers(ask, each) for row in ALLOWED)]


def page() -> str:
    """The text of docs/reference/api-differences.md."""
    lines = [_HEAD]
    for section in dict.fromkeys(row.section for row in ALLOWED):
        lines += [f"\n## {section}\n", "| request | Ironic 39 | here | reason |", "| --- | --- | --- | --- |"]
        for row in ALLOWED:
            if row.section == section:
                cells = [row.request, row.ironic, row.here, row.reason]
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


_HEAD = """# Where `/v1` differs from Ironic 39, on purpose

Everything else answers as Ironic 39.0.0 does: `make differential` sends some thousand requests (paths, verbs, versions,
bodies, patches, filters, pages, guards) to a real Ironic and to Steelyard and compares status, headers, error shape,
keys, types and values. It fails on every difference that is not in this list, and on every row that is no longer true.
Made from `tests/differential/differences.toml` by `make docs`."""
