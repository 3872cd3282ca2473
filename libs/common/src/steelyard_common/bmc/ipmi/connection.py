"""One BMC, signed in, and how to get there: cipher suites, sessions the BMC has forgotten, completion codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pyghmi import exceptions

from ...errors import DeviceRefused, DeviceUnreachable, OutcomeUnknown, SteelyardError, Unsupported
from ..deadline import Clock, Deadline
from ..driver_info import CIPHER_SUITES, IpmiTarget
from ..line import Line, PoolSettings
from .session import NoAnswer, RmcpSession, SuiteRefused

T = TypeVar("T")
SILENT_S = 4.0  # a kept session without an answer for so long is taken for lost
FIRST_SUITE_S = 5.0  # some BMCs do not even answer a proposal of cipher suite 17

UNSUPPORTED_CODES = (0xC1, 0xC2, 0xC9, 0xCC, 0xCB)  # invalid command, lun, parameter, field; no such thing
NOT_NOW_CODES = (0xC0, 0xC3, 0xD0, 0xD1, 0xD2)  # busy, timeout, firmware update, initialising
PRIVILEGE_CODE = 0xD4


class IpmiConnection:
    """Errors of all methods: DeviceUnreachable, DeviceRefused, OutcomeUnknown, Unsupported."""

    def __init__(
        self, target: IpmiTarget, password: str, kg: bytes | None, line: Line, settings: PoolSettings, clock: Clock
    ) -> None:
        self.target = target
        self._secrets = (password, kg)
        self._line, self._limits, self._clock = line, settings, clock
        self._session: RmcpSession | None = None
        self._used_at = 0.0
        self._deadline = Deadline(0)
        self.suite: int | None = target.cipher_suite  # the one that worked last

    def __repr__(self) -> str:
        return f"IpmiConnection({self.target.address})"

    @property
    def session(self) -> str | None:
        return f"cipher suite {self.suite}" if self._session is not None else None

    def begin(self, deadline: Deadline) -> None:
        self._deadline = deadline
        if self._session is not None:
            self._session.deadline = deadline

    def cut(self) -> None:
        """Nothing to do: every wait has the deadline."""

    def ask(self, netfn: int, command: int, data: tuple[int, ...] = ()) -> bytes:
        """A command that may be sent again when no answer comes."""
        return self._data(self.talk(lambda session: session.request(netfn, command, data)))

    def tell(self, netfn: int, command: int, data: tuple[int, ...]) -> bytes:
        """A command that is sent once or not at all. ``ask`` first: it finds out whether the session still lives."""
        session = self._signed_in()
        try:
            answer = session.request(netfn, command, data, once=True)
        except OutcomeUnknown as error:
            self._drop()
            self._line.failed(error)
            raise
        self._answered()
        return self._data(answer)

    def talk(self, talk: Callable[[RmcpSession], T]) -> T:
        """Run a repeatable exchange; a session that the BMC has forgotten is replaced once."""
        kept = self._kept()
        if kept is not None:
            kept.patience_s = SILENT_S
            try:
                return self._finish(kept, talk)
            except (NoAnswer, OSError, exceptions.IpmiException):
                self._drop()
        session = self._signed_in()
        try:
            return self._finish(session, talk)
        except (NoAnswer, OSError, exceptions.IpmiException) as error:
            self._drop()
            ours = DeviceUnreachable(f"the BMC at {self.target.address} did not answer in time")
            self._line.failed(ours)
            raise ours from error

    def _finish(self, session: RmcpSession, talk: Callable[[RmcpSession], T]) -> T:
        result = talk(session)
        session.patience_s = None
        self._answered()
        return result

    def _answered(self) -> None:
        self._used_at = self._clock()
        self._line.succeeded()

    def _kept(self) -> RmcpSession | None:
        """The session, unless it was idle for so long that the BMC has dropped it."""
        if self._session is not None and self._clock() - self._used_at > self._limits.ipmi_session_s:
            self._drop()
        return self._session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.abandon()
            self._session = None

    def _signed_in(self) -> RmcpSession:
        if self._session is None:
            try:
                self._session = self._sign_in()
            except SteelyardError as error:
                self._line.failed(error)
                raise
        return self._session

    def _sign_in(self) -> RmcpSession:
        suites = (self.suite,) if self.suite else CIPHER_SUITES
        try:
            for suite in suites:
                deadline = self._deadline.within(FIRST_SUITE_S) if suite != suites[-1] else self._deadline
                session = self._try(suite, deadline)
                if session is not None:
                    self.suite = suite
                    return session
        except OSError as error:
            raise DeviceUnreachable(f"no connection to the BMC at {self.target.address}") from error
        self.suite = self.target.cipher_suite  # what worked once may have gone with a firmware: try all next time
        raise DeviceUnreachable(
            f"the BMC at {self.target.address} did not take cipher suite {' or '.join(map(str, suites))}"
        )

    def _try(self, suite: int, deadline: Deadline) -> RmcpSession | None:
        """A session, or None when another suite may work. A BMC that said nothing at all is not asked again."""
        password, kg = self._secrets
        target = self.target
        session = RmcpSession(target, password, kg, suite, lambda: self._line.before_call(self._deadline))
        try:
            session.open(deadline)
        except SuiteRefused:
            session.socket.close()
            return None
        except NoAnswer as error:
            session.socket.close()
            if error.heard and not self._deadline.passed():
                return None
            raise DeviceUnreachable(f"the BMC at {target.address} did not answer in time") from error
        except BaseException:
            session.socket.close()
            raise
        session.deadline = self._deadline
        return session

    def _data(self, answer: dict[str, Any]) -> bytes:
        code = int(answer.get("code", 0))
        if code == 0:
            return bytes(answer["data"])
        said = f"{answer.get('error', 'error')} (completion code 0x{code:02X})"
        if code in UNSUPPORTED_CODES:
            raise Unsupported(f"the BMC at {self.target.address} does not offer this: {said}")
        if code in NOT_NOW_CODES:
            raise DeviceUnreachable(f"the BMC at {self.target.address} is not ready: {said}")
        if code == PRIVILEGE_CODE:
            raise DeviceRefused(f"the BMC at {self.target.address} refused: the credentials lack the privilege")
        raise DeviceRefused(f"the BMC at {self.target.address} refused: {said}")

    def close(self) -> None:
        if self._session is not None:
            self._session.deadline = Deadline(self._limits.logout_timeout_s)
            self._session.close()
            self._session = None
