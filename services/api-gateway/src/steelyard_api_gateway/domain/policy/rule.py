"""What a rule of the policy is."""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM, PROJECT = "system", "project"
BOTH = (SYSTEM, PROJECT)


@dataclass(frozen=True)
class Rule:
    """One row. ``check``: in oslo.policy's language; ``scopes``: who can meet it, none is anybody."""

    name: str
    check: str
    text: str
    scopes: tuple[str, ...] = BOTH
