"""Who comes to the gateway in tests of the policy: one caller for each role that a project or the system knows."""

from __future__ import annotations

from collections.abc import Mapping

from steelyard_common.errors import Unauthenticated

from .service.call import Caller
from .service.identity import Credentials

OWNER, LESSEE, OTHER = "p-owner", "p-lessee", "p-other"


def of_project(project: str | None, *roles: str) -> Caller:
    return Caller(user="u", roles=roles, project=project, system=False)


CALLERS = {
    "system admin": Caller(user="u", roles=("admin",)),
    "system member": Caller(user="u", roles=("member",)),
    "system reader": Caller(user="u", roles=("reader",)),
    "owner admin": of_project(OWNER, "admin"),
    "owner manager": of_project(OWNER, "manager"),
    "owner member": of_project(OWNER, "member"),
    "owner reader": of_project(OWNER, "reader"),
    "lessee admin": of_project(LESSEE, "admin"),
    "lessee member": of_project(LESSEE, "member"),
    "lessee reader": of_project(LESSEE, "reader"),
    "other admin": of_project(OTHER, "admin"),
    "owner service": of_project(OWNER, "service"),
    "no roles": of_project(OWNER),
    "unscoped": of_project(None, "admin"),
}
ANONYMOUS = "anonymous"


class NamedCallers:
    """A sign-in for tests: the X-Auth-Token is the name of one of these callers."""

    challenge = "Test"

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = callers

    def identify(self, credentials: Credentials) -> Caller:
        caller = self._callers.get(credentials.token or "")
        if caller is None:
            raise Unauthenticated()
        return caller
