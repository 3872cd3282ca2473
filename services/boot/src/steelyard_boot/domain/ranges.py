"""Which part of a file is asked for (RFC 9110 §14). Pure."""

from __future__ import annotations

import re
from itertools import pairwise

_ONE = re.compile(r"[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})[ \t]*")
MOST = 16  # parts in one request: more are taken for an attack


class Unsatisfiable(Exception):
    """No part of the file is asked for."""


def parse(header: str, size: int) -> list[tuple[int, int]] | None:
    """(offset, length) of each part, as asked; None: the whole, for what is malformed or of another unit.

    Errors: Unsatisfiable.
    """
    unit, equals, rest = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None
    asked = rest.split(",")
    parts = []
    for each in asked:
        found = _ONE.fullmatch(each)
        if found is None or found.group(1) == found.group(2) == "":
            return None
        first, last = found.groups()
        if first and last and int(first) > int(last):
            return None
        begin, end = (int(first), int(last) if last else size - 1) if first else (max(0, size - int(last)), size - 1)
        if begin < size and end >= begin:
            parts.append((begin, min(end, size - 1) - begin + 1))
    if not parts or len(asked) > MOST or _overlap(parts):
        raise Unsatisfiable
    return parts


def _overlap(parts: list[tuple[int, int]]) -> bool:
    """Parts that overlap make an answer larger than the file: nobody needs that but to do harm (RFC 9110 §17.15)."""
    ordered = sorted(parts)
    return any(begin + length > after for (begin, length), (after, _) in pairwise(ordered))
