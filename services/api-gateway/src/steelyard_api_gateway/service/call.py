"""Who asks, in which version, and how answers link back: what every method of this room gets first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from steelyard_common.bus import CALLER


@dataclass(frozen=True, kw_only=True)
class Caller:
    """An identity that was checked; roles and scopes as in Ironic's policy.

    ``project``, ``domain``: ids; both None for a system scope. ``system``: the scope is the whole system, which is
    what callers without sign-in and by HTTP Basic have, as in Ironic. ``service``: another service vouches for the
    request, or it is one itself.
    """

    user: str | None
    roles: tuple[str, ...] = ("admin",)
    project: str | None = None
    domain: str | None = None
    system: bool = True
    service: bool = False


RAMDISK = Caller(user=None, roles=(), system=False)  # on the routes that need no sign-in
OPERATOR = Caller(user=None)  # sign-in `none`: whoever reaches the loopback address


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What somebody is shown who does not see everything.

    ``visible``: only what this project owns or leases; None: all. ``redacted``: field → "owner", "lessee", or both:
    whom else than those who see everything it is shown to.
    """

    project: str
    visible: str | None
    redacted: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request. ``base_url`` has no trailing slash; ``dropped_json``: a `.json` suffix was cut off the path.

    ``sight`` None: the caller sees everything. ``target``: what the policy knows of what the path names.
    ``if_match``: versions of the record that a change is meant for; None: whatever it is.
    """

    minor: int
    base_url: str
    request_id: str
    caller: Caller = OPERATOR
    global_request_id: str | None = None
    dropped_json: bool = False
    sight: Sight | None = None
    target: Mapping[str, Any] | None = None
    if_match: tuple[str, ...] | None = None

    def api(self) -> dict[str, Any]:
        """What inventory needs to render an answer."""
        return {"minor": self.minor, "base_url": self.base_url}

    def headers(self) -> dict[str, str]:
        who: dict[str, Any] = {
            "user": self.caller.user,
            "roles": self.caller.roles,
            "project": self.caller.project,
            "domain": self.caller.domain,
            "system": self.caller.system,
            "request_id": self.request_id,
        }
        if self.sight is not None:
            who["visible"] = None if self.sight.visible is None else {"project": self.sight.visible}
            who["redacted"] = {"project": self.sight.project, "fields": self.sight.redacted}
        if self.if_match is not None:
            who["if_match"] = self.if_match
        if self.global_request_id:
            who["global_request_id"] = self.global_request_id
        return {CALLER: orjson.dumps(who).decode()}
