"""One Redfish BMC: its systems, its credentials and its sessions (DSP0266 §13)."""

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ..faults import Faults
from ..machine import Machine

SESSION_TIMEOUT_S = 600.0
USUAL_SESSION_LIMIT = 16


class SessionLimitReached(Exception):
    """No further session until one ends."""


@dataclass(slots=True)
class Session:
    """One session: its number and when it was last used."""

    number: str
    used_at: float


class RedfishBmc:
    """A BMC with one or several systems behind it: system id → machine."""

    def __init__(
        self,
        systems: dict[str, Machine],
        username: str,
        password: str,
        *,
        prefix: str,
        clock: Callable[[], float],
    ) -> None:
        self.systems = systems
        self.username = username
        self.prefix = prefix
        self.clock = clock
        self._password = password
        self._sessions: dict[str, Session] = {}
        self._last_number = 0
        self._epoch = time.time() - clock()

    def stamp(self, at: float) -> str:
        """A time of our clock as Redfish writes it (DSP0266 §9.5)."""
        return datetime.fromtimestamp(self._epoch + at, UTC).isoformat(timespec="seconds")

    @property
    def first(self) -> Machine:
        """The machine under whose name requests for the whole BMC are kept on record."""
        return next(iter(self.systems.values()))

    @property
    def faults(self) -> Faults:
        """Faults of the BMC are the same on all its systems."""
        return self.first.faults

    def allows(self, username: object, password: object) -> bool:
        """Is this the right name and password?"""
        if self.faults.wrong_credentials or not isinstance(username, str) or not isinstance(password, str):
            return False
        is_name = hmac.compare_digest(username.encode(), self.username.encode())
        return is_name and hmac.compare_digest(password.encode(), self._password.encode())

    def allows_basic(self, header: str) -> bool:
        """Check an ``Authorization: Basic …`` header."""
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return self.allows(name, password)

    def open_session(self) -> tuple[str, Session]:
        """A new session and its token. Raises SessionLimitReached."""
        limit = self.faults.session_limit if self.faults.session_limit >= 0 else USUAL_SESSION_LIMIT
        if len(self.sessions()) >= limit:
            raise SessionLimitReached
        self._last_number += 1
        token = secrets.token_hex(16)
        self._sessions[token] = Session(str(self._last_number), self.clock())
        return token, self._sessions[token]

    def sessions(self) -> dict[str, Session]:
        """Token → session, without those that nobody used for too long."""
        oldest = self.clock() - SESSION_TIMEOUT_S
        self._sessions = {token: session for token, session in self._sessions.items() if session.used_at > oldest}
        return self._sessions

    def allows_token(self, token: str) -> bool:
        """Is this the token of a living session? Using it keeps it alive."""
        session = self.sessions().get(token)
        if session is None or self.faults.wrong_credentials:
            return False
        session.used_at = self.clock()
        return True

    def close_session(self, number: str) -> bool:
        """End a session; False when there is none of that number."""
        for token, session in self.sessions().items():
            if session.number == number:
                del self._sessions[token]
                return True
        return False

    def forget_sessions(self) -> None:
        """The BMC restarted: all sessions are gone."""
        self._sessions.clear()
