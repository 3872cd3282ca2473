"""Sign-in: who is calling (facts §21). No sign-in and HTTP Basic grant the full admin role, as in Ironic."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import bcrypt
from steelyard_common.errors import InvalidRequest, Unauthenticated, Unavailable
from steelyard_common.telemetry import get_logger

from .call import OPERATOR, Caller

log = get_logger(__name__)
BCRYPT_PREFIXES = ("$2y$", "$2b$", "$2a$")
BCRYPT_BYTES = 72  # bcrypt reads no further, and refuses more
REMEMBERED = 1024
IN_LINE = 4  # strangers that are checked or wait for it; each holds a thread of the gateway
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What a request brings to be known by: headers as they came, None where there was none."""

    authorization: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)  # X-Auth-Token
    service_token: str | None = field(default=None, repr=False)  # X-Service-Token


class SignIn(Protocol):
    """Turns credentials into a caller. ``challenge``: what WWW-Authenticate tells those who are not let in."""

    @property
    def challenge(self) -> str: ...

    def identify(self, credentials: Credentials) -> Caller:
        """Errors: Unauthenticated; Unavailable when it cannot be found out now."""


class NoSignIn:
    """Everybody is the operator: for the loopback address only (main refuses others)."""

    challenge = ""

    def identify(self, credentials: Credentials) -> Caller:
        del credentials  # clients send some token anyway
        return OPERATOR


class HttpBasic:
    """HTTP Basic against an htpasswd file of bcrypt hashes, read again when it changes.

    bcrypt is slow on purpose (50 ms and more), so verified pairs are remembered under a keyed hash that only this
    process knows; a changed file forgets them. Wrong passwords are remembered apart, so that a flood of them
    cannot push out the right ones. Strangers are checked one after the other and only a few may wait, so that
    neither cores nor threads go to a flood of them: whoever is known is served meanwhile.
    """

    challenge = 'Basic realm="Steelyard"'

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = os.urandom(32)
        self._stamp = _stamp(path)
        self._users = read_htpasswd(path)
        self._right: dict[bytes, Caller] = {}
        self._wrong: dict[bytes, None] = {}
        self._line = threading.BoundedSemaphore(IN_LINE)
        self._desk = threading.Lock()

    def identify(self, credentials: Credentials) -> Caller:
        authorization = credentials.authorization
        if not authorization:
            raise Unauthenticated("Authorization required: send a user name and password by HTTP Basic")
        self._reload_if_changed()
        digest = hashlib.blake2b(authorization.encode("utf-8", "replace"), key=self._key).digest()
        known = self._known(digest)
        if known is not None:
            return known
        if not self._line.acquire(blocking=False):
            raise Unavailable("Too many sign-ins are being checked; please try again in a moment")
        try:
            with self._desk:  # who stood before us in the line may have brought the same password
                return self._known(digest) or self._verify(authorization, digest)
        finally:
            self._line.release()

    def _known(self, digest: bytes) -> Caller | None:
        """Errors: Unauthenticated when this pair was found wrong before."""
        if digest in self._wrong:
            raise Unauthenticated("Incorrect username or password")
        return self._right.get(digest)

    def _verify(self, authorization: str, digest: bytes) -> Caller:
        user, password = _decode(authorization)
        right, wrong = self._right, self._wrong  # those of the users read now: a reload replaces all three
        hashed = self._users.get(user)
        # An unknown user's password is compared too, so that the time taken does not tell who exists.
        matches = _check(password, hashed or next(iter(self._users.values())))
        if hashed is None or not matches:
            _remember(wrong, digest, None)
            log.warning("sign-in refused", user=user[:64])
            raise Unauthenticated("Incorrect username or password")
        caller = Caller(user=user)
        _remember(right, digest, caller)
        return caller

    def _reload_if_changed(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            users = read_htpasswd(self._path)
        except InvalidRequest as error:
            log.error("htpasswd file not taken over, the former users stay", reason=error.message)
            return
        self._users, self._right, self._wrong = users, {}, {}
        log.info("htpasswd file read again", users=len(users))


def read_htpasswd(path: Path) -> dict[str, bytes]:
    """User → bcrypt hash. Errors: InvalidRequest, naming the line but no hash."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the htpasswd file {path} cannot be read: {type(error).__name__}") from error
    users = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, hashed = line.strip().partition(":")
        if not user or not hashed.startswith(BCRYPT_PREFIXES):
            raise InvalidRequest(
                f"line {number} of {path} is not <user>:<bcrypt hash>; write it with `htpasswd -B -C 12 {path} <user>`"
            )
        users[user] = hashed.encode()
    if not users:
        raise InvalidRequest(f"the htpasswd file {path} names no user")
    return users


def _decode(authorization: str) -> tuple[str, bytes]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise Unauthenticated("Only HTTP Basic authentication is accepted here")
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        name = user.decode()
    except (binascii.Error, ValueError) as error:
        raise Unauthenticated("The Authorization header is malformed") from error
    if not colon:
        raise Unauthenticated("The Authorization header is malformed")
    return name, password


def _check(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:BCRYPT_BYTES], hashed)
    except ValueError:  # a hash that is cut or has a cost out of range matches nothing
        return False


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _remember(memory: dict[bytes, T], digest: bytes, value: T) -> None:
    """Keep at most REMEMBERED, the newest."""
    if len(memory) >= REMEMBERED:
        memory.pop(next(iter(memory)), None)
    memory[digest] = value
