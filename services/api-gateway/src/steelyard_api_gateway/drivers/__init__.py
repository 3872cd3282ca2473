"""The ways out of the gateway: other services, asked over the bus; Keystone or an issuer of tokens, asked by HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Upstream(Protocol):
    """One service behind the gateway. Replies are the finished bytes of its answer.

    Raises only ``steelyard_common.errors``: what the other side raised; Unavailable when nobody answers;
    OutcomeUnknown when a command's answer did not come before its deadline.
    """

    def query(self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes: ...

    def command(
        self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str], *, again_s: float | None = None
    ) -> bytes:
        """``again_s``: while no answer comes it is told again, with the same headers, each so many seconds; not longer
        than any other command. For what the other side answers alike to one request, however often it is told."""


class Keystone(Protocol):
    """Keystone, as far as sign-in asks it."""

    def token(self, token: str, *, allow_expired: bool) -> Mapping[str, Any] | None:
        """The `token` object of the Identity API; None when it is not valid (any more).

        ``allow_expired``: also one that ended a while ago, within Keystone's own window. Raises Unavailable, within a
        deadline, when Keystone is away or refuses us.
        """


class Issuer(Protocol):
    """An OpenID Connect issuer, as far as sign-in asks it."""

    def keys(self) -> Sequence[Mapping[str, Any]]:
        """Its signing keys of now, as JWKs. Raises Unavailable, within a deadline, when they cannot be had."""
