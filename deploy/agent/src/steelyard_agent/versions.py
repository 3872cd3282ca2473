"""Which of two versions is newer: the UAPI Group's Version Format Specification, which boot loaders sort by."""

from __future__ import annotations

import re
from functools import cmp_to_key

_IGNORED = re.compile(r"[^A-Za-z0-9~.^-]+")
# Where only one of two has it, that one is older; `~` even than one that has ended.
_OLDER, _MARKS = "~", "-^."


def compare(left: str, right: str) -> int:
    """→ less than, equal to or greater than 0."""
    while True:
        left, right = _IGNORED.sub("", left), _IGNORED.sub("", right)
        if order := _without(left, right, _OLDER):
            return order
        if left.startswith(_OLDER):
            left, right = left[1:], right[1:]
            continue
        if not left or not right:
            return bool(left) - bool(right)
        for mark in _MARKS:
            if order := _without(left, right, mark):
                return order
        if left[0] in _MARKS:
            left, right = left[1:], right[1:]
            continue
        order, left, right = _by_run(left, right)
        if order:
            return order


def _without(left: str, right: str, mark: str) -> int:
    return right.startswith(mark) - left.startswith(mark)


def _by_run(left: str, right: str) -> tuple[int, str, str]:
    """Digits by value, letters by their codes, digits newer than letters. → the order, and what is left of both"""
    are_digits = left[0].isdigit() or right[0].isdigit()
    ours, theirs = (_run(each, are_digits=are_digits) for each in (left, right))
    left, right = left[len(ours) :], right[len(theirs) :]
    if are_digits:
        first, second = (int(each) if each else -1 for each in (ours, theirs))
        return (first > second) - (first < second), left, right
    return (ours > theirs) - (ours < theirs), left, right


def _run(text: str, *, are_digits: bool) -> str:
    found = re.match(r"[0-9]*" if are_digits else r"[A-Za-z]*", text)
    return found.group() if found else ""


by_version = cmp_to_key(compare)
