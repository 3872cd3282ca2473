"""Sign-in by bearer tokens (RFC 6750) that an OpenID Connect issuer has signed: JWTs with a key of its key set.

A token is let in when its signature fits a public key of the issuer, by an algorithm of the list, and when issuer,
audience and times are right (RFC 7519, 9068). Nothing in its header leads anywhere: `kid` is looked up among the keys
that are there, `jku`, `x5u` and `jwk` are not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidTokenError,
    MissingRequiredClaimError,
    PyJWTError,
)
from steelyard_common.errors import Unauthenticated

from ..domain import claims
from ..domain.claims import Mapped
from ..drivers import Issuer
from .call import Caller
from .desk import Accepted, Desk
from .identity import Credentials
from .key_ring import ALGORITHMS, MAX_KID, KeyRing

MAX_TOKEN = 8192
TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})  # not those that are for something else, like logout+jwt
SERVICE = "service"
MISSING = "Authorization required: send a bearer token in Authorization"
INVALID = "The bearer token is invalid"
# What is wrong, in words for the caller; the first that fits.
REASONS: tuple[tuple[type[PyJWTError], str], ...] = (
    (ExpiredSignatureError, "The bearer token has expired"),
    (ImmatureSignatureError, "The bearer token is not valid yet"),
    (InvalidAudienceError, "The bearer token is for another audience"),
    (InvalidIssuerError, "The bearer token is of another issuer"),
    (MissingRequiredClaimError, "The bearer token lacks one of the claims exp, iss, aud"),
)


class OidcSignIn:
    """``remember_s``: how long at most a token is let in after it was checked, should its key be withdrawn."""

    challenge = 'Bearer realm="Steelyard"'

    def __init__(
        self, source: Issuer, *, issuer: str, audience: str, mapped: Mapped, algorithms: Collection[str],
        leeway_s: float, remember_s: float, keys_fresh_s: float, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._issuer, self._audience, self._mapped, self._leeway_s = issuer, audience, mapped, leeway_s
        self._algorithms = frozenset(algorithms) & ALGORITHMS.keys()
        self._desk = Desk(
            self._ask, remember_s=remember_s, line=None, clock=clock
        )  # a check costs less than a request does
        self._keys = KeyRing(source, fresh_s=keys_fresh_s, changed=self._desk.forget, clock=clock)

    def identify(self, credentials: Credentials) -> Caller:
        token = _token(credentials)
        if len(token) > MAX_TOKEN:
            raise Unauthenticated(INVALID)
        return self._desk.identify(token, credentials)

    def _ask(self, credentials: Credentials) -> Accepted:
        try:
            found = self._verified(_token(credentials))
            ends_in_s = float(found["exp"]) + self._leeway_s - time.time()
        except (PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthenticated(next((text for kind, text in REASONS if isinstance(error, kind)), INVALID)) from error
        who = claims.identity(found, self._mapped)
        if not who.user:
            raise Unauthenticated(f"The bearer token names no user in the claim {self._mapped.user}")
        caller = Caller(
            user=who.user, roles=who.roles, project=who.project, system=who.system, service=SERVICE in who.roles
        )
        return Accepted(caller=caller, ends_in_s=ends_in_s)

    def _verified(self, token: str) -> dict[str, Any]:
        head = jwt.get_unverified_header(token)
        algorithm, kid = head.get("alg"), head.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise InvalidTokenError("algorithm")
        if str(head.get("typ", "")).lower() not in TYPES or (kid is not None and len(str(kid)) > MAX_KID):
            raise InvalidTokenError("header")
        key = self._keys.find(kid, algorithm)
        return jwt.decode(
            token, key, algorithms=[algorithm], issuer=self._issuer, audience=self._audience, leeway=self._leeway_s,
            options={"require": ["exp", "iss", "aud"]},
        )  # fmt: skip


def _token(credentials: Credentials) -> str:
    """From Authorization; else from X-Auth-Token, where OpenStack's clients can put one (auth type admin_token)."""
    scheme, _, token = (credentials.authorization or "").partition(" ")
    if credentials.authorization is None:
        scheme, token = "bearer", credentials.token or ""
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(MISSING)
    return token.strip()
