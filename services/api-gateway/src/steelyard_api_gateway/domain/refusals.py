"""What is told of a call that was refused: never a value that came in its body, but for words that name something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Keys whose values are names and words: they may stand in a message as they are.
NAMING = frozenset({
    "target", "path", "op", "from", "interface", "step", "driver", "boot_device", "name", "runbook", "uuid",
    "node_uuid", "id", "traits",
})  # fmt: skip
HIDDEN = "…"
SHORTEST = 3  # what is shorter hides in any word
MAX_MESSAGE = 500


def told(message: str, body: Any) -> str:
    """``message`` without the values of ``body``, the longest first."""
    for value in sorted({text for text in _texts(body) if len(text) >= SHORTEST}, key=len, reverse=True):
        message = message.replace(value, HIDDEN)
    return message[:MAX_MESSAGE]


def _texts(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name)
    elif value is not None and not isinstance(value, bool) and name not in NAMING:
        yield str(value)
