"""GRUB's ``test``, also written ``[ … ]``: strings, numbers, files."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from steelyard_agent.grub_state import Grub

_STRINGS: dict[str, Callable[[str, str], bool]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
    "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
_NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "-eq": operator.eq, "-ne": operator.ne, "-lt": operator.lt, "-le": operator.le, "-gt": operator.gt,
    "-ge": operator.ge,
}  # fmt: skip


def truth(grub: Grub, words: Sequence[str]) -> bool:
    """``-o`` binds weaker than ``-a``, that weaker than ``!``."""
    return any(all(_one(grub, term) for term in _split(either, "-a")) for either in _split(words, "-o"))


def _split(words: Sequence[str], at: str) -> list[list[str]]:
    terms: list[list[str]] = [[]]
    for word in words:
        if word == at:
            terms.append([])
        else:
            terms[-1].append(word)
    return terms


def _one(grub: Grub, words: Sequence[str]) -> bool:
    match list(words):
        case ["!", *rest]:
            return not _one(grub, rest)
        case [left, sign, right] if sign in _STRINGS:
            return _STRINGS[sign](left, right)
        case [left, sign, right] if sign in _NUMBERS:
            return _NUMBERS[sign](_number(left), _number(right))
        case ["-z", text]:
            return not text
        case ["-n", text] | [text]:
            return bool(text)
        case [("-e" | "-f" | "-d" | "-s") as kind, name]:
            return _is_file(grub, kind, name)
        case _:
            return False


def _number(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else 0


def _is_file(grub: Grub, kind: str, name: str) -> bool:
    where = grub.where(name)
    found = where[0].find(where[1]) if where else None
    if found is None:
        return False
    if kind == "-d":
        return found.is_dir()
    return found.exists() if kind == "-e" else found.is_file() and (kind == "-f" or found.stat().st_size > 0)
