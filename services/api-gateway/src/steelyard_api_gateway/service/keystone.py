"""Sign-in by Keystone tokens: X-Auth-Token, and X-Service-Token beside it.

A valid service token that has a service role vouches for a user's token that ended while the service worked on it, as
in keystonemiddleware; it lends the user no rights. Tokens of application credentials with access rules are not let
in: Keystone withholds them from who does not check these rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from steelyard_common.errors import Unauthenticated, Unavailable

from ..drivers import Keystone
from .call import Caller
from .desk import Accepted, Desk
from .identity import Credentials

# Fernet and JWS tokens are some hundred characters of URL-safe Base64, the latter with dots; UUID tokens are hex.
_TOKEN = re.compile(r"[A-Za-z0-9_.=-]{16,8192}")
REFUSED = "The Keystone token is invalid, has expired or was revoked"


class KeystoneSignIn:
    """``uri``: where clients get tokens. A revoked token is let in for ``remember_s`` seconds at most."""

    def __init__(
        self, keystone: Keystone, *, uri: str, remember_s: float, line: int, service_roles: Iterable[str] = ("service",)
    ) -> None:
        self.challenge = f'Keystone uri="{uri}"'
        self._keystone = keystone
        self._service_roles = frozenset(service_roles)
        self._users = Desk(self._ask, remember_s=remember_s, line=line)
        # Asked from within a user's place in the line. One service brings the same token with many users'.
        self._services = Desk(self._ask_service, remember_s=remember_s, line=None)

    def identify(self, credentials: Credentials) -> Caller:
        if not credentials.token:
            raise Unauthenticated("Authorization required: send a Keystone token in X-Auth-Token")
        for token in (credentials.token, credentials.service_token):
            if token and not _TOKEN.fullmatch(token):
                raise Unauthenticated(REFUSED)
        return self._users.identify(f"{credentials.token} {credentials.service_token or ''}", credentials)

    def _ask(self, credentials: Credentials) -> Accepted:
        is_vouched = False
        if credentials.service_token:
            is_vouched = self._services.identify(credentials.service_token, credentials).service
        return self._accepted(credentials.token or "", allow_expired=is_vouched)

    def _ask_service(self, credentials: Credentials) -> Accepted:
        return self._accepted(credentials.service_token or "", allow_expired=False)

    def _accepted(self, token: str, *, allow_expired: bool) -> Accepted:
        found = self._keystone.token(token, allow_expired=allow_expired)
        if found is None:
            raise Unauthenticated(REFUSED)
        try:
            caller = caller_of(found, self._service_roles)
            ends_at = datetime.fromisoformat(found["expires_at"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unavailable("Keystone's answer is not understood", detail=type(error).__name__) from error
        ends_in_s = float("inf") if allow_expired else (ends_at - datetime.now(UTC)).total_seconds()
        return Accepted(caller=caller, ends_in_s=ends_in_s)


def caller_of(token: Mapping[str, Any], service_roles: frozenset[str]) -> Caller:
    """The `token` object of Keystone's `GET /v3/auth/tokens`. Errors: KeyError, TypeError when it is none."""
    roles = tuple(str(role["name"]) for role in token.get("roles", ()))
    project, domain = token.get("project"), token.get("domain")
    return Caller(
        user=str(token["user"]["id"]),
        roles=roles,
        project=str(project["id"]) if project else None,
        domain=str(domain["id"]) if domain else None,
        system=token.get("system", {}).get("all") is True,
        service=not service_roles.isdisjoint(roles),
    )
