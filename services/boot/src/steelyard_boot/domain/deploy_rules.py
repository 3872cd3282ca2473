"""What an operator sets of the work of agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .images import ImageRules

ALWAYS, ON_FAILURE, NEVER = "always", "on_failure", "never"


@dataclass(frozen=True, kw_only=True)
class DeployRules:
    """``logs``: always, on_failure, never; ``erasing``: of ``agent_view.ERASING``, what is otherwise."""

    images: ImageRules = field(default_factory=ImageRules)
    logs: str = ON_FAILURE
    erasing: Mapping[str, Any] = field(default_factory=dict)
