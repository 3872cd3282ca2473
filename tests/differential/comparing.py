"""What differs between two answers, as (where, ours, theirs)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from .asking import Answer

# Texts for people: that they are there, and are texts, is compared; their words are each project's own.
WORDS = frozenset({"faultstring", "description", "reason", "debuginfo", "title", "last_error"})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """``where``: ``status``, ``header Location`` or a path in the body such as ``body.nodes[0].name``."""

    where: str
    ours: Any
    theirs: Any

    def __str__(self) -> str:
        return f"{self.where}: ours {_short(self.ours)}, Ironic's {_short(self.theirs)}"


def differences(ours: Answer, theirs: Answer) -> list[Difference]:
    """Everything that differs. When the status does, the body is not looked at."""
    if ours.status != theirs.status:
        return [Difference(where="status", ours=_said(ours), theirs=_said(theirs))]
    heads = [
        Difference(where=f"header {name}", ours=value, theirs=theirs.headers[name])
        for name, value in ours.headers.items()
        if value != theirs.headers[name]
    ]
    return heads + list(_compare("body", _opened(ours.body), _opened(theirs.body)))


def _opened(body: Any) -> Any:
    """An error with its inner JSON decoded."""
    if isinstance(body, dict) and isinstance(body.get("error_message"), str):
        return body | {"error_message": json.loads(body["error_message"])}
    return body


def _compare(where: str, ours: Any, theirs: Any) -> Iterator[Difference]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            if key not in ours or key not in theirs:
                yield Difference(where=f"{where}.{key}", ours=ours.get(key, "-"), theirs=theirs.get(key, "-"))
            elif key == "next" and isinstance(ours[key], str) and isinstance(theirs[key], str):
                yield from _compare(f"{where}.next", _parsed(ours[key]), _parsed(theirs[key]))
            elif key in WORDS:
                yield from _compare_words(f"{where}.{key}", ours[key], theirs[key])
            else:
                yield from _compare(f"{where}.{key}", ours[key], theirs[key])
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield Difference(where=f"{where}.length", ours=len(ours), theirs=len(theirs))
        for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            yield from _compare(f"{where}[{place}]", one, other)
    elif type(ours) is not type(theirs) or ours != theirs:
        yield Difference(where=where, ours=ours, theirs=theirs)


def _compare_words(where: str, ours: Any, theirs: Any) -> Iterator[Difference]:
    if type(ours) is not type(theirs):
        yield Difference(where=where, ours=ours, theirs=theirs)


def _parsed(url: str) -> dict[str, str]:
    """A link to the next page: its parts, whatever their order."""
    path, _, query = url.partition("?")
    return {"path": path} | dict(parse_qsl(query, keep_blank_values=True))


def _said(answer: Answer) -> str:
    body = _opened(answer.body)
    if isinstance(body, dict) and isinstance(body.get("error_message"), dict):
        inner = body["error_message"]
        return f"{answer.status} {inner.get('faultstring') or inner.get('description')}"
    return str(answer.status)


def _short(value: Any) -> str:
    written = repr(value)
    return written if len(written) <= 160 else f"{written[:160]}…"
