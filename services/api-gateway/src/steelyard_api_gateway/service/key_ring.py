"""The public keys of a token issuer: kept, renewed in time, and fetched once more when a token names an unknown one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from steelyard_common.errors import Unauthenticated, Unavailable
from steelyard_common.telemetry import get_logger

from ..drivers import Issuer

log = get_logger(__name__)
LEAST_S = 10.0  # between two fetches, whatever tokens come
FIRST_S = 1.0  # the same, while there are no keys at all
KEPT_S = 3600.0  # keys of an issuer that is away; a key that it has withdrawn meanwhile is let in no longer
LINE = 4  # requests that may wait for a fetch; each holds a thread of the gateway
MIN_RSA_BITS = 2048
MAX_KID = 256
# Algorithm → (key type, curve). Public keys only: with a shared secret whoever checks tokens could make them.
ALGORITHMS: dict[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None), "RS384": ("RSA", None), "RS512": ("RSA", None),
    "PS256": ("RSA", None), "PS384": ("RSA", None), "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "ES512": ("EC", "P-521"), "EdDSA": ("OKP", "Ed25519"),
}  # fmt: skip
_PUBLIC = ("kty", "n", "e", "crv", "x", "y")  # whatever else an issuer shows, a private part above all, is left out


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A public key, as cryptography has it. ``algorithm``: the only one that it is for, None for all of its kind."""

    kid: str | None
    kty: str
    crv: str | None
    algorithm: str | None
    public: Any
    parts: tuple[tuple[str, str], ...]  # what it was made from: the same name may come with another key

    def fits(self, algorithm: str) -> bool:
        return ALGORITHMS[algorithm] == (self.kty, self.crv) and self.algorithm in (None, algorithm)


class KeyRing:
    """``find`` gives the key that a token names. ``changed`` is called when a key was withdrawn."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        fresh_s: float,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer, self._fresh_s, self._changed, self._clock = issuer, fresh_s, changed, clock
        self._keys: tuple[Key, ...] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._desk = threading.Lock()
        self._line = threading.BoundedSemaphore(LINE)

    def find(self, kid: str | None, algorithm: str) -> Any:
        """Errors: Unauthenticated when the issuer has no such key; Unavailable when that cannot be found out now."""
        self._keep_fresh()
        key = self._pick(kid, algorithm)
        if key is None:
            if self._is_due():
                self._fetch_in_line()
            key = self._pick(kid, algorithm)  # another request may have fetched it just now
        if key is None:
            if self._fetched_at is None:
                raise Unavailable("The token issuer cannot be asked; please try again in a moment")
            raise Unauthenticated("The token is signed with a key that its issuer does not have")
        return key.public

    def _pick(self, kid: str | None, algorithm: str) -> Key | None:
        """Without a name only if there is no choice."""
        fitting = [key for key in self._keys if key.fits(algorithm) and kid in (None, key.kid)]
        return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None

    def _keep_fresh(self) -> None:
        """By one request, while the others use the keys of before; up to KEPT_S if that fails."""
        if self._fetched_at is None:
            return
        age_s = self._clock() - self._fetched_at
        if age_s > self._fresh_s and self._is_due() and self._desk.acquire(blocking=False):
            try:
                self._fetch()
            except Unavailable:
                if age_s > KEPT_S:
                    raise
            finally:
                self._desk.release()
        elif age_s > max(KEPT_S, self._fresh_s):
            raise Unavailable("The token issuer cannot be asked; please try again in a moment")

    def _is_due(self) -> bool:
        least_s = FIRST_S if self._fetched_at is None else LEAST_S
        return self._tried_at is None or self._clock() - self._tried_at >= least_s

    def _fetch_in_line(self) -> None:
        if not self._line.acquire(blocking=False):
            raise Unavailable("Too many sign-ins are being checked; please try again in a moment")
        try:
            with self._desk:
                if self._is_due():  # else who stood before us in the line has fetched them
                    self._fetch()
        finally:
            self._line.release()

    def _fetch(self) -> None:
        try:
            keys = parse(self._issuer.keys())
        except Unavailable as error:
            log.error("the issuer's keys cannot be had", reason=error.detail)
            raise
        finally:
            self._tried_at = self._clock()
        had, self._keys = self._keys, keys
        self._fetched_at = self._tried_at
        if not {key.parts for key in had} <= {key.parts for key in keys}:
            self._changed()
        log.info("the issuer's keys are fetched", keys=len(keys))


def parse(keys: Any) -> tuple[Key, ...]:
    """The keys that are for signatures and that we can use; the others are passed over."""
    return tuple(key for key in (_parsed(each) for each in keys) if key is not None)


def _parsed(jwk: Mapping[str, Any]) -> Key | None:
    kid, kty, crv, algorithm = (jwk.get(name) for name in ("kid", "kty", "crv", "alg"))
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    fits = [name for name, kind in ALGORITHMS.items() if kind == (kty, crv) and algorithm in (None, name)]
    if not fits or not (kid is None or (isinstance(kid, str) and len(kid) <= MAX_KID)):
        return None
    try:
        parts = {name: str(jwk[name]) for name in _PUBLIC if name in jwk}
        public = PyJWK(parts, algorithm=fits[0]).key
    except (PyJWTError, ValueError, TypeError) as error:
        log.warning("a key of the issuer cannot be used", kid=kid, reason=type(error).__name__)
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        log.warning("a key of the issuer is too short", kid=kid, bits=public.key_size)
        return None
    return Key(
        kid=kid, kty=str(kty), crv=crv, algorithm=algorithm, public=public, parts=(*parts.items(), ("kid", str(kid)))
    )
