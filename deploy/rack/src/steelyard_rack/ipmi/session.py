"""One RMCP+ session as the BMC sees it (IPMI 2.0 §13.15–13.24), on pyghmi's server session.

pyghmi brings framing, encryption and integrity. What it lacks is mended here: the SHA-256 login (cipher suite 17,
§13.28.1b), answers to logins that fail, an end of sessions, and requests that come twice because an answer was late.
"""

import hashlib
import hmac
import os
import struct
import uuid
from typing import Any, Protocol

from pyghmi.ipmi.private import constants, serversession

# Cipher suite → authentication, integrity and confidentiality algorithm (table 22-20).
SUITES = {3: (1, 1, 1), 17: (3, 4, 1)}
_HASHES = {3: (hashlib.sha1, 12), 17: (hashlib.sha256, 16)}

NO_RESOURCES = 0x01
NO_SUITE_MATCH = 0x11
UNAUTHORIZED_NAME = 0x0D
BAD_INTEGRITY = 0x0F

_SET_PRIVILEGE, _CLOSE_SESSION, _APP = 0x3B, 0x3C, 6


def suite_of(request: bytes) -> int | None:
    """The cipher suite that an open-session request proposes (table 13-9), or None when we know no such."""
    if len(request) < 32:
        return None
    wanted = (request[12], request[20], request[28])
    return next((suite for suite, algorithms in SUITES.items() if algorithms == wanted), None)


class Host(Protocol):
    """The BMC, as far as its sessions need it."""

    uuid: uuid.UUID
    serversocket: Any

    def clock(self) -> float: ...
    def password_of(self, username: bytes) -> bytes | None: ...
    def note(self, operation: str, outcome: str) -> None: ...
    def drop(self, session: "RackSession") -> None: ...
    def handle_raw_request(self, request: dict[str, Any], session: "RackSession") -> None: ...


class RackSession(serversession.ServerSession):  # type: ignore[misc]  # pyghmi has no types
    """A session between a client's address and one BMC."""

    def __new__(cls, *_args: object) -> "RackSession":
        """pyghmi's own takes other arguments."""
        return object.__new__(cls)

    def __init__(self, bmc: Host, client: Any, suite: int, request: bytes) -> None:
        # pyghmi's constructor would put the session into tables that all BMCs of the process share by port number.
        self.bmc, self.uuid, self.socket, self.sockaddr = bmc, bmc.uuid, bmc.serversocket, client
        self.suite = suite
        self.currhashlib, self.currhashlen = _HASHES[suite]
        self.servermode, self.ipmiversion, self.authtype = True, 2.0, 6
        self.rqaddr, self.rqlun, self.seqlun = constants.IPMI_BMC_ADDRESS, 0, 0
        self.sequencenumber = self.sessionid = 0
        self.integrityalgo: object = 0
        self.confalgo: object = 0
        self.remseqnumber = self.lastpayload = self.sol_handler = None
        self.k1: bytes | None = None
        self.pendingpayloads: list[object] = []
        self.is_established = False
        self.used_at = bmc.clock()
        self.clientsessionid = bytes(request[4:8])
        self.managedsessionid = os.urandom(4)
        self.clientpriv = 0
        self._challenge: tuple[bytes, bytes] | None = None
        self._last_request: tuple[object, ...] | None = None
        self._last_answer: tuple[int, bytes] | None = None
        self._answer_open(request[0])

    # --- login

    def _answer_open(self, tag: int) -> None:
        authentication, integrity, confidentiality = SUITES[self.suite]
        answer = bytes([tag, 0, 4, 0]) + self.clientsessionid + self.managedsessionid
        for kind, algorithm in ((0, authentication), (1, integrity), (2, confidentiality)):
            answer += bytes([kind, 0, 0, 8, algorithm, 0, 0, 0])
        self._send("rmcpplusopenresponse", answer)

    def _got_rmcp_openrequest(self, data: bytes) -> None:
        """A client that starts anew gets a new session from the BMC, never this one."""

    def _got_rakp1(self, data: bytes) -> None:
        if len(data) < 28 or self.is_established:
            return
        tag = data[0]
        self.rolem, self.maxpriv = data[24], data[24] & 0b1111
        self.username = bytes(data[28 : 28 + data[27]])
        password = self.bmc.password_of(self.username)
        if password is None:
            self.bmc.note("login", "unknown name")
            self._send("rakp2", bytes([tag, UNAUTHORIZED_NAME, 0, 0]) + self.clientsessionid)
            return
        self.kuid = self.kg = password
        client_random, own_random = bytes(data[8:24]), os.urandom(16)
        self._challenge = (client_random, own_random)
        text = self.clientsessionid + self.managedsessionid + client_random + own_random + self.uuid.bytes
        code = self._hmac(self.kuid, text + self._name())
        self._send("rakp2", bytes([tag, 0, 0, 0]) + self.clientsessionid + own_random + self.uuid.bytes + code)

    def _got_rakp3(self, data: bytes) -> None:
        if len(data) < 8 or self._challenge is None or self.is_established:
            return
        tag = data[0]
        client_random, own_random = self._challenge
        if data[1] != 0:
            self.bmc.note("login", "client gave up")
            self.bmc.drop(self)
            return
        expected = self._hmac(self.kuid, own_random + self.clientsessionid + self._name())
        if not hmac.compare_digest(expected, bytes(data[8:])):
            self.bmc.note("login", "wrong password")
            self._send("rakp4", bytes([tag, BAD_INTEGRITY, 0, 0]) + self.clientsessionid)
            self.bmc.drop(self)
            return
        self.sik = self._hmac(self.kg, client_random + own_random + self._name())
        self.k1, self.k2 = self._hmac(self.sik, b"\x01" * 20), self._hmac(self.sik, b"\x02" * 20)
        self.aeskey = self.k2[:16]
        self._establish(tag, client_random)

    def _establish(self, tag: int, client_random: bytes) -> None:
        self.localsid = struct.unpack("<I", self.managedsessionid)[0]
        self.ipmicallback = self.handle_client_request
        code = self._hmac(self.sik, client_random + self.managedsessionid + self.uuid.bytes)[: self.currhashlen]
        self._send("rakp4", bytes([tag, 0, 0, 0]) + self.clientsessionid + code)
        self.integrityalgo, self.confalgo, self.sequencenumber = "on", "aes", 1
        self.sessionid = struct.unpack("<I", self.clientsessionid)[0]
        self.is_established = True
        self.bmc.note("login", "ok")

    def _hmac(self, key: bytes, text: bytes) -> bytes:
        return hmac.new(key, text, self.currhashlib).digest()

    def _name(self) -> bytes:
        return bytes([self.rolem, len(self.username)]) + self.username

    def _send(self, kind: str, payload: bytes) -> None:
        self.send_payload(bytearray(payload), constants.payload_types[kind], retry=False)

    # --- requests

    def handle_client_request(self, request: dict[str, Any]) -> None:
        """One decrypted request: netfn, command, data. A repeated one gets its answer again and is not done again."""
        self.used_at = self.bmc.clock()
        key = (self.seqlun, request["netfn"], request["command"], bytes(request["data"]))
        if key == self._last_request:
            if self._last_answer is not None:
                self._send_ipmi_net_payload(code=self._last_answer[0], data=self._last_answer[1])
            return
        self._last_request, self._last_answer = key, None
        if request["netfn"] == _APP and request["command"] == _SET_PRIVILEGE:
            self._set_privilege(request["data"])
        elif request["netfn"] == _APP and request["command"] == _CLOSE_SESSION:
            self.send_ipmi_response()
            self.bmc.note("close session", "ok")
            self.bmc.drop(self)
        else:
            self.bmc.handle_raw_request(request, self)

    def _set_privilege(self, data: bytes) -> None:
        wanted = data[0] & 0b1111 if data else 0
        if wanted > self.maxpriv:
            self.send_ipmi_response(code=0x81)
            return
        self.clientpriv = wanted or self.clientpriv
        self.send_ipmi_response(data=[self.clientpriv])

    def send_ipmi_response(self, data: Any = (), code: int = 0) -> None:
        """Answer the request in hand."""
        self._last_answer = (code, bytes(data))
        self._send_ipmi_net_payload(data=bytes(data), code=code)
