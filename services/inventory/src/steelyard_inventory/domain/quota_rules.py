"""How many nodes of a resource class a project may have, and what counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.errors import Forbidden, InvalidRequest

from .transitions import State

ALL = "*"  # stands for every class that has no limit of its own
MOST_CLASSES = 1000
MAX_LIMIT = 1_000_000
# A node that a project leases counts while it is in use: from the deployment until it was taken back.
IN_USE = (
    State.ACTIVE, State.ERROR, State.RESCUE, State.DEPLOYING, State.DEPLOY_WAIT, State.DEPLOY_HOLD,
    State.DEPLOY_FAILED, State.DELETING, State.ADOPTING, State.ADOPT_FAILED, State.RESCUING, State.RESCUE_WAIT,
    State.RESCUE_FAILED, State.UNRESCUING, State.UNRESCUE_FAILED, State.SERVICING, State.SERVICE_WAIT,
    State.SERVICE_HOLD, State.SERVICE_FAILED,
)  # fmt: skip


def limit_of(own: Mapping[str, int], defaults: Mapping[str, int], resource_class: str | None) -> int | None:
    """``own``: the project's limits by class; ``defaults``: the installation's. None: no limit."""
    for limits in (own, defaults):
        for name in (resource_class or "", ALL):
            if name in limits:
                return limits[name]
    return None


def check_room(project: str, resource_class: str | None, *, limit: int, used: int, asked: int = 1) -> None:
    """Errors: Forbidden, with the numbers."""
    if used + asked > limit:
        raise Forbidden(
            f"Quota exceeded: project {project} may have {limit} nodes of resource class {resource_class}, has {used}"
            f" and asks for {asked} more."
        )


def checked(limits: Any) -> dict[str, int]:
    """Limits by class as a caller gives them. Errors: InvalidRequest."""
    if not isinstance(limits, dict) or len(limits) > MOST_CLASSES:
        raise InvalidRequest("quotas must be an object: resource class → how many nodes")
    for name, most in limits.items():
        if not 0 < len(name) <= 80:
            raise InvalidRequest("a resource class has 1 to 80 characters; * stands for all others")
        if isinstance(most, bool) or not isinstance(most, int) or not 0 <= most <= MAX_LIMIT:
            raise InvalidRequest(f"the quota of {name} must be a whole number from 0 to {MAX_LIMIT}")
    return dict(limits)
