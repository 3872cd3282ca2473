"""One IPMI BMC: packets in, sessions, packets out. The commands are in ``commands.py``."""

import struct
import uuid
from collections.abc import Callable
from typing import Any

from pyghmi.ipmi.bmc import Bmc
from pyghmi.ipmi.private.session import _checksum

from ..faults import Faults
from ..machine import Machine
from ..record import Record
from .commands import COMMANDS, NODE_BUSY, UNKNOWN_COMMAND, Answer
from .session import NO_RESOURCES, NO_SUITE_MATCH, SUITES, RackSession, suite_of

USUAL_SESSION_LIMIT = 16
IDLE_S = 60.0
_LOGIN_S = 10.0
_OPEN_REQUEST, _RAKP1, _RAKP3 = 0x10, 0x12, 0x14
_CIPHER_SUITES = 0x54


class IpmiBmc(Bmc):  # type: ignore[misc]  # pyghmi has no types
    """pyghmi's BMC without its sockets, thread and process-wide tables: ``receive`` is given each packet."""

    def __init__(
        self,
        machine: Machine,
        username: str,
        password: str,
        record: Record,
        clock: Callable[[], float],
        socket: Any,
    ) -> None:
        # pyghmi's constructor would open a socket and start a thread that select()s over all of them, which ends
        # at 1,024 descriptors; it also tells BMCs apart by port only.
        self.machine, self.clock, self.serversocket = machine, clock, socket
        self.uuid = uuid.UUID(machine.identity.uuid)
        self.authcap = struct.pack("9B", 0, 1, 0b10000000, 0b00000100, 0b00000010, 0, 0, 0, 0)
        self._username, self._password = username.encode(), password.encode()
        self._record = record
        self._sessions: dict[bytes, RackSession] = {}

    @property
    def faults(self) -> Faults:
        """Those of the machine."""
        return self.machine.faults

    def password_of(self, username: bytes) -> bytes | None:
        """The key of a user; a wrong one when the BMC is to refuse every password."""
        if username != self._username:
            return None
        return b"\x00" * 20 if self.faults.wrong_credentials else self._password

    def note(self, operation: str, outcome: str, *, is_write: bool = False, is_power: bool = False) -> None:
        """Put something on record."""
        name, is_done = self.machine.identity.name, outcome == "ok"
        self._record.add(name, "ipmi", operation, outcome, is_write=is_write, is_power=is_power, is_done=is_done)

    def drop(self, session: RackSession) -> None:
        """This session is over."""
        self._sessions.pop(session.managedsessionid, None)

    def forget_sessions(self) -> None:
        """The BMC restarted: all sessions are gone."""
        self._sessions.clear()

    # --- packets

    def receive(self, data: bytes, client: tuple[Any, ...]) -> None:
        """One packet from a client's address."""
        if len(data) < 16 or data[0] != 6 or data[2:4] != b"\xff\x07":
            return
        kind = data[5] & 0x3F if data[4] == 6 else None
        if kind == _OPEN_REQUEST:
            self._open_session(data[16:], client)
            return
        session = self._session_of(data, kind)
        if session is not None:
            session.sockaddr = client
            session._handle_ipmi2_packet(bytearray(data))
        elif data[4] == 0 or (kind == 0 and data[6:10] == b"\x00" * 4):
            if self.faults.hang:
                self.note("session setup", "no answer")
            else:
                self.sessionless_data(data, client)

    def _session_of(self, data: bytes, kind: int | None) -> RackSession | None:
        if kind in (_RAKP1, _RAKP3):
            return self._sessions.get(bytes(data[20:24]))
        return self._sessions.get(bytes(data[6:10])) if kind is not None else None

    def _open_session(self, request: bytes, client: tuple[Any, ...]) -> None:
        if len(request) < 8:
            return
        if self.faults.hang:
            self.note("open session", "no answer")
            return
        suite = suite_of(request)
        if suite is None or (self.faults.cipher_3_only and suite != 3):
            self.note("open session", "no cipher suite match")
            self._refuse_session(request, client, NO_SUITE_MATCH)
        elif self._is_full():
            self.note(f"open session, cipher suite {suite}", "no resources")
            self._refuse_session(request, client, NO_RESOURCES)
        else:
            self.note(f"open session, cipher suite {suite}", "ok")
            session = RackSession(self, client, suite, request)
            self._sessions[session.managedsessionid] = session

    def _is_full(self) -> bool:
        now = self.clock()
        for session in list(self._sessions.values()):
            if now - session.used_at > (IDLE_S if session.is_established else _LOGIN_S):
                self.drop(session)
        limit = self.faults.session_limit if self.faults.session_limit >= 0 else USUAL_SESSION_LIMIT
        return sum(session.is_established for session in self._sessions.values()) >= limit

    def _refuse_session(self, request: bytes, client: tuple[Any, ...], status: int) -> None:
        payload = bytes([request[0], status, 0, 0]) + bytes(request[4:8])
        header = b"\x06\x00\xff\x07\x06\x11" + b"\x00" * 8 + struct.pack("<H", len(payload))
        self.serversocket.sendto(header + payload, client)

    def send_cipher_suites(
        self, myaddr: int, mylun: int, clientaddr: int, clientlun: int, clientseq: int, data: bytes, sockaddr: Any
    ) -> None:
        """Get Channel Cipher Suites (§22.15): all fit into the first block, so the second is empty."""
        records = b""
        for suite, (authentication, integrity, confidentiality) in SUITES.items():
            if suite == 3 or not self.faults.cipher_3_only:
                records += bytes([0xC0, suite, authentication, 0x40 | integrity, 0x80 | confidentiality])
        block = data[22] & 0b111111
        head = bytes([clientaddr, clientlun | (7 << 2)])
        body = bytes([myaddr, mylun | clientseq << 2, _CIPHER_SUITES, 0, 1]) + records[block * 16 : block * 16 + 16]
        message = head + bytes([_checksum(*head)]) + body + bytes([_checksum(*body)])
        packet = b"\x06\x00\xff\x07\x06\x00" + b"\x00" * 8 + struct.pack("<H", len(message)) + message
        self.serversocket.sendto(packet, sockaddr)

    # --- commands

    def handle_raw_request(self, request: dict[str, Any], session: RackSession) -> None:
        """One command within a session; see ``COMMANDS``."""
        netfn, number, data = request["netfn"], request["command"], bytes(request["data"])
        command = COMMANDS.get((netfn, number))
        name = command.name(data) if command else f"raw 0x{netfn:02x} 0x{number:02x}"
        writes, power = bool(command and command.is_write), bool(command and command.is_power)
        if self.faults.hang:
            self.note(name, "no answer", is_write=writes, is_power=power)
            return
        if self.faults.http_error:
            answer = Answer(NODE_BUSY)
        elif command is None:
            answer = Answer(UNKNOWN_COMMAND)
        else:
            answer = command.run(self.machine, data, self.clock())
        outcome = f"0x{answer.code:02x}" if answer.code else "ok"
        self.note(name, outcome, is_write=writes, is_power=power)
        session.send_ipmi_response(data=answer.data, code=answer.code)
