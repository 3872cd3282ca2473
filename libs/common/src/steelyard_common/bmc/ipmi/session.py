"""One RMCP+ session over a UDP socket of its own; every wait ends by a deadline.

pyghmi's ordinary Session shares sockets, one I/O thread and one table of waiting sessions among all BMCs of a process,
and whoever waits also serves the others' time-outs: a hung BMC is felt by all, and a wait may last minutes. Its
``simplesession`` (what ``pyghmi.ipmi.command.select_simplesession`` switches to) has the same protocol without that,
but no time-outs, and ``select`` (no more than 1,024 files). So this class takes the protocol from there and does the
waiting itself, in the caller's thread, with ``poll``.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable
from typing import Any

from pyghmi import exceptions
from pyghmi.ipmi.private import simplesession

from ...errors import DeviceRefused, DeviceUnreachable, OutcomeUnknown, SteelyardError
from ...names import OF_BMCS
from ..deadline import Deadline
from ..driver_info import IpmiTarget

HASHES = {17: 256, 3: 1}  # cipher suite → pyghmi's word for its hash
RESEND_S = (1.0, 1.5, 2.0, 3.0)  # UDP: after so long without an answer a repeatable request is sent again
WRITE_ANSWER_S = 6.0  # how long the answer to a request that is never sent twice is waited for
RMCP = b"\xff\x07"
NAME_S = 5.0  # to find the BMC's address: this is done when no deadline is known yet
BAD_CREDENTIALS = (
    "incorrect password",
    "unauthorized name",
    "invalid role",
    "unauthorized role",
    "integrity c",
    "privel",
)


class NoAnswer(Exception):
    """The deadline came before the answer. ``heard``: the BMC had said something before."""

    def __init__(self, heard: bool) -> None:
        super().__init__("no answer")
        self.heard = heard


class SuiteRefused(Exception):
    """The BMC does not speak the cipher suite that was proposed."""


class RmcpSession(simplesession.Session):  # type: ignore[misc]  # pyghmi ships no types
    """A session with one BMC. Not thread-safe: the pool gives it to one conversation at a time."""

    def __init__(
        self, target: IpmiTarget, password: str, kg: bytes | None, suite: int, before_command: Callable[[], None]
    ) -> None:
        self.suite = suite
        self.deadline = Deadline(0)
        self.patience_s: float | None = None  # for each answer; None: as long as the deadline allows
        self._before_command = before_command
        self.heard = False
        self._refusal: Exception | None = None
        self._poll = select.poll()
        self._where = (target.host, target.port)
        super().__init__(
            bmc=target.host, userid=target.username, password=password, port=target.port, kg=kg,
            privlevel=target.privilege,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"RmcpSession({self._where[0]}:{self._where[1]})"

    # What pyghmi calls, in our way

    def login(self) -> None:
        """Called by pyghmi's constructor; signing in waits for ``open``, when the deadline is known."""
        if self.logging_wanted():
            self._initsession()
            self._get_channel_auth_cap()
        else:
            self.logging = False

    def logging_wanted(self) -> bool:
        return self.deadline.left() > 0

    def _assignsocket(self) -> socket.socket:
        """A connected socket: a BMC's host that refuses the port (ICMP) is noticed at once, strangers are not heard."""
        try:
            found = OF_BMCS.find(*self._where, NAME_S, socket.SOCK_DGRAM)
            family, kind, proto, _, address = found[0]
            udp = socket.socket(family, kind, proto)
            udp.setblocking(False)
            udp.connect(address)
        except OSError as error:
            raise DeviceUnreachable(f"{self._where[0]} cannot be reached: {error.strerror or error}") from error
        self._poll.register(udp, select.POLLIN)
        return udp

    def _initsession(self) -> None:
        super()._initsession()
        self.attemptedhash = HASHES[self.suite]
        self.maxtimeout = 1 << 30  # the deadline ends waiting, not a count
        self.__dict__.pop("remseqnumber", None)  # belongs to the session before

    def _getmaxtimeout(self) -> float:
        return 3600.0

    def _open_rmcpplus_request(self) -> None:
        if self.attemptedhash != HASHES[self.suite]:  # pyghmi steps down by itself; we want to know and remember
            self._refusal = SuiteRefused()
            self.logging = False
            return
        super()._open_rmcpplus_request()

    def _get_session_challenge(self) -> None:
        self.onlogon({"error": "the BMC speaks IPMI 1.5 only, which protects nothing"})

    def _mark_broken(self, error: str | None = None) -> None:
        self.broken, self.logged, self.logging, self.lastpayload = True, 0, False, None
        self.errormsg = error

    def _xmit_packet(self, *_retry: Any, **_timing: Any) -> None:
        if self.sequencenumber:
            self.sequencenumber += 1
        self.socket.send(self.netpacket)

    def process_pktqueue(self) -> None:
        while True:
            try:
                data, address = self.socket.recvfrom(3000)
            except BlockingIOError:
                return
            packet = bytearray(data)
            if len(packet) > 15 and packet[0] == 6 and packet[2:4] == RMCP:
                self.heard = True
                self._handle_ipmi_packet(packet, sockaddr=address, qent=None)

    def raw_command(self, netfn: int, command: int, data: Any = (), rslun: int = 0, **_timing: Any) -> Any:
        """pyghmi's own requests (privilege level, SDR): all of them reads or repeatable."""
        return self._exchange(netfn, command, data, rslun, resend=True)

    # What we call

    def open(self, deadline: Deadline) -> None:
        """Sign in. Errors: NoAnswer, SuiteRefused, DeviceRefused (credentials), DeviceUnreachable."""
        self.deadline, self.heard = deadline, False
        try:
            self.login()
            self._pump(lambda: not self.logging or self.broken, resend=True)
        except (struct.error, IndexError, TypeError) as error:
            raise SuiteRefused from error  # Quirk: pyghmi-based BMCs answer a SHA-256 proposal with a SHA-1 hash
        finally:
            simplesession.Session.keepalive_sessions.pop(self, None)  # a table nobody else empties
        if self._refusal is not None:
            raise self._refusal
        if self.broken or not self.logged:
            raise self._login_error(str(self.errormsg if self.broken else "signing in failed"))

    def _login_error(self, said: str) -> SteelyardError:
        where = f"{self._where[0]}:{self._where[1]}"
        if any(words in said.lower() for words in BAD_CREDENTIALS):
            return DeviceRefused(f"the BMC at {where} refused the credentials: {said}")
        return DeviceUnreachable(f"no session with the BMC at {where}: {said}")

    def request(self, netfn: int, command: int, data: tuple[int, ...] = (), *, once: bool = False) -> dict[str, Any]:
        """Send a command and give its answer ``{code, data, error?}``.

        ``once``: it is never sent twice. Errors: NoAnswer, and OutcomeUnknown for ``once``.
        """
        if not once:
            return self._exchange(netfn, command, data, 0, resend=True)
        left = self.deadline
        self.deadline = left.within(WRITE_ANSWER_S)
        try:
            return self._exchange(netfn, command, data, 0, resend=False)
        except (NoAnswer, OSError) as error:
            where = f"{self._where[0]}:{self._where[1]}"
            raise OutcomeUnknown(f"the BMC at {where} was sent a change and did not answer") from error
        finally:
            self.deadline = left

    def _exchange(self, netfn: int, command: int, data: Any, rslun: int, *, resend: bool) -> dict[str, Any]:
        if not self.logged:
            raise NoAnswer(heard=False)
        self._before_command()
        self.lastresponse, self.lastpayload = None, None
        self.pendingpayloads.clear()
        self.request_entry.clear()
        self.ipmicallback = self._generic_callback
        self._send_ipmi_net_payload(netfn, command, data, rslun=rslun)
        self._pump(lambda: self.lastresponse is not None or self.broken, resend=resend)
        answer: dict[str, Any] | None = getattr(self, "lastresponse", None)
        if answer is None:
            raise exceptions.IpmiException("the session is broken")
        return answer

    def _pump(self, done: Callable[[], bool], *, resend: bool) -> None:
        sent = 0
        end = self.deadline.within(self.patience_s) if self.patience_s else self.deadline
        turn = end.within(RESEND_S[0])
        while not done():
            if end.passed():
                raise NoAnswer(self.heard)
            nearest = min(turn.left(), end.left()) if resend else end.left()
            if self._poll.poll(max(1, int(nearest * 1000))):
                self.process_pktqueue()
            elif resend and turn.passed():
                self._timedout()  # pyghmi knows what to send again at each point of the handshake
                sent += 1
                turn = end.within(RESEND_S[min(sent, len(RESEND_S) - 1)])

    def abandon(self) -> None:
        """Say goodbye without waiting: a BMC that was only slow need not keep a session for nobody."""
        try:
            if self.logged and not self.broken:
                self.lastpayload = None
                self._send_ipmi_net_payload(6, 0x3C, struct.pack("<I", self.sessionid), retry=False)
        except OSError:
            pass  # nobody there
        finally:
            self._mark_broken()
            self.socket.close()

    def close(self) -> None:
        """Tell the BMC that the session ends, wait a moment for its word, give the socket back."""
        try:
            if self.logged and not self.broken:
                self.request(6, 0x3C, tuple(struct.pack("<I", self.sessionid)))
        except (NoAnswer, OSError, exceptions.IpmiException):
            pass  # it will time out at the BMC
        finally:
            self._mark_broken()
            self.socket.close()

    def cut(self) -> None:
        """Nothing to do: every wait here has the deadline."""
