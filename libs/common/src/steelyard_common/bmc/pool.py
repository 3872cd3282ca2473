"""All conversations with BMCs go through here: at most one session and one conversation at a time per BMC.

A slot stands for one BMC (kind, address, user). It keeps the connection, the budget and the back-off between
conversations. Background reads (``patient=False``) never queue and never disturb a BMC that is being left alone;
commands and steps (``patient=True``) wait for their turn and are let through a back-off.
"""

from __future__ import annotations

import hmac
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast

from ..errors import Busy, DeviceUnreachable, InvalidRequest
from ..secrets import PREFIX
from . import BmcDriver, NodeAccess
from .deadline import Clock, Deadline
from .driver_info import FAKE, IPMI, REDFISH, IpmiTarget, RedfishTarget, read_ipmi, read_redfish
from .fake import FakeDriver
from .ipmi import IpmiConnection, IpmiDriver
from .line import Line, PoolSettings
from .redfish import RedfishConnection, RedfishDriver
from .tls import TlsContexts

__all__ = ["BmcPool", "PoolSettings"]

Target = RedfishTarget | IpmiTarget
C = TypeVar("C", bound="_Connection")
CUT_AFTER_S = 0.25  # a conversation so long past its deadline has its socket shut
LOOK_EVERY_S = 0.5
LOGOUTS_AT_ONCE = 32


class _Connection(Protocol):
    """What the pool keeps of a BMC."""

    @property
    def session(self) -> str | None: ...
    def begin(self, deadline: Deadline) -> None: ...
    def cut(self) -> None: ...
    def close(self) -> None: ...


class _Slot:
    """One BMC."""

    def __init__(self, address: str, line: Line) -> None:
        self.address = address
        self.line = line
        self.turn = threading.Lock()  # held during a conversation
        self.waiting = 0
        self.deadline: Deadline | None = None  # of the present conversation
        self.connection: _Connection | None = None
        self.fingerprint: object = None
        self.used_at = 0.0


class BmcPool:
    """Thread-safe. ``open_secret`` turns a sealed secret into its text and is called for a new conversation only."""

    def __init__(
        self, settings: PoolSettings, open_secret: Callable[[str], str], clock: Clock = time.monotonic
    ) -> None:
        self._settings = settings
        self._open_secret = open_secret
        self._clock = clock
        self._tls = TlsContexts()
        self._digest_key = os.urandom(32)
        self._lock = threading.Lock()
        self._slots: dict[tuple[str, ...], _Slot] = {}
        self._closed = threading.Event()
        self._keeper: threading.Thread | None = None
        self._retirer: threading.Thread | None = None

    @contextmanager
    def driver(self, kind: str, access: NodeAccess, *, timeout_s: float, patient: bool = True) -> Iterator[BmcDriver]:
        """The driver of ``kind`` (redfish, ipmitool, fake) for one node; all calls together take ``timeout_s`` at most.

        Errors: InvalidRequest (driver_info), Busy (another conversation holds the BMC: at once when not patient, else
        after ``timeout_s``), DeviceUnreachable (at once while the BMC is left alone, when not patient).
        """
        if kind == FAKE:
            yield FakeDriver(access)
            return
        target = _target(kind, access)
        slot = self._slot(target)
        deadline = Deadline(timeout_s, self._clock)
        if not patient:
            slot.line.refuse_in_backoff()
        with self._turn(slot, deadline, patient):
            yield self._driver(slot, target, access, deadline)

    @contextmanager
    def _turn(self, slot: _Slot, deadline: Deadline, patient: bool) -> Iterator[None]:
        with self._lock:
            slot.waiting += 1
        try:
            has_turn = slot.turn.acquire(timeout=deadline.left()) if patient else slot.turn.acquire(blocking=False)
        finally:
            with self._lock:
                slot.waiting -= 1
        if not has_turn:
            raise Busy(f"another task is talking to the BMC at {slot.address}; {slot.waiting} more are waiting")
        slot.deadline = deadline
        try:
            yield
        finally:
            slot.deadline, slot.used_at = None, self._clock()
            slot.turn.release()

    def _slot(self, target: Target) -> _Slot:
        with self._lock:
            if self._closed.is_set():
                raise DeviceUnreachable("the service is stopping; nothing was sent")
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="bmc-pool", daemon=True)
                self._keeper.start()
            slot = self._slots.get(target.key)
            if slot is None:
                slot = self._slots[target.key] = _Slot(target.address, Line(self._settings, self._clock))
            slot.used_at = self._clock()
            return slot

    def _driver(self, slot: _Slot, target: Target, access: NodeAccess, deadline: Deadline) -> BmcDriver:
        if isinstance(target, RedfishTarget):
            password = self._secret(access, "redfish_password")
            redfish = self._connection(
                slot,
                target,
                (password,),
                lambda: RedfishConnection(target, password, self._tls, slot.line, self._settings),
            )
            redfish.begin(deadline)
            return RedfishDriver(redfish, access, target)
        password, kg = self._secret(access, "ipmi_password"), self._kg_key(access)
        ipmi = self._connection(
            slot, target, (password, kg.hex() if kg else ""),
            lambda: IpmiConnection(target, password, kg, slot.line, self._settings, self._clock),
        )  # fmt: skip
        ipmi.begin(deadline)
        return IpmiDriver(ipmi, access, target)

    def _connection(self, slot: _Slot, target: Target, secrets: tuple[str, ...], new: Callable[[], C]) -> C:
        """The kept connection while credentials and settings stay the same, else a new one."""
        digest = hmac.digest(self._digest_key, "\0".join(secrets).encode(), "sha256")
        fingerprint = (target.settings, digest)
        if slot.connection is None or slot.fingerprint != fingerprint:
            if slot.connection is not None:
                slot.connection.close()
            slot.connection, slot.fingerprint = new(), fingerprint
        return cast(C, slot.connection)

    def _secret(self, access: NodeAccess, key: str) -> str:
        token = access.sealed.get(f"/{key}") or access.driver_info.get(key) or ""
        return self._open_secret(token) if str(token).startswith(PREFIX) else str(token)

    def _kg_key(self, access: NodeAccess) -> bytes | None:
        text = self._secret(access, "ipmi_hex_kg_key")
        try:
            return bytes.fromhex(text) if text else None
        except ValueError:
            raise InvalidRequest("ipmi_hex_kg_key must be 40 hexadecimal digits") from None

    def report(self) -> list[dict[str, Any]]:
        """Each BMC: ``{address, kind, user, session, talking, queue, calls, failures, last_error, backoff_s}``."""
        with self._lock:
            slots = list(self._slots.items())
        now = self._clock()
        return [
            {
                "address": slot.address,
                "kind": key[0],
                "user": key[2],
                "session": slot.connection.session if slot.connection else None,
                "talking": slot.deadline is not None,
                "queue": slot.waiting,
                "calls": slot.line.calls,
                "failures": slot.line.failures,
                "last_error": slot.line.last_error,
                "backoff_s": round(max(0.0, slot.line.backoff_until - now), 1),
            }
            for key, slot in slots
        ]

    def close(self) -> None:
        """Log out everywhere; conversations that are under way get their logout time. No new ones begin."""
        self._closed.set()
        with self._lock:
            slots, keeper = list(self._slots.values()), self._keeper
            self._slots.clear()
        for helper in filter(None, (keeper, self._retirer)):
            helper.join()
        closers = [threading.Thread(target=self._retire, args=(slot, True)) for slot in slots if slot.connection]
        for start in range(0, len(closers), LOGOUTS_AT_ONCE):
            batch = closers[start : start + LOGOUTS_AT_ONCE]
            for closer in batch:
                closer.start()
            for closer in batch:
                closer.join()

    def _retire(self, slot: _Slot, wait: bool) -> None:
        """Give back the session of a slot nobody is talking through."""
        if not slot.turn.acquire(timeout=self._settings.logout_timeout_s if wait else 0):
            return
        try:
            if slot.connection is not None:
                slot.connection.close()
                slot.connection = None
        finally:
            slot.turn.release()

    def _keep(self) -> None:
        """The pool's own thread: cuts what overran its deadline, closes what is idle, forgets what is old."""
        while not self._closed.wait(LOOK_EVERY_S):
            now = self._clock()
            with self._lock:
                for key, slot in list(self._slots.items()):
                    is_old = now - slot.used_at > self._settings.forget_after_s
                    if is_old and slot.connection is None and not slot.waiting and slot.deadline is None:
                        del self._slots[key]
                slots = list(self._slots.values())
            for slot in slots:
                deadline, connection = slot.deadline, slot.connection
                if connection is not None and deadline is not None and now > deadline.at + CUT_AFTER_S:
                    connection.cut()
            self._retire_idle([slot for slot in slots if now - slot.used_at > self._settings.idle_close_s])

    def _retire_idle(self, slots: list[_Slot]) -> None:
        """In a thread of its own: a log-out may take seconds, a cut must not wait for it."""
        idle = [slot for slot in slots if slot.deadline is None and slot.connection is not None]
        if not idle or (self._retirer is not None and self._retirer.is_alive()):
            return

        def retire() -> None:
            for slot in idle:
                self._retire(slot, False)

        self._retirer = threading.Thread(target=retire, name="bmc-pool-idle", daemon=True)
        self._retirer.start()


def _target(kind: str, access: NodeAccess) -> Target:
    if kind == REDFISH:
        return read_redfish(access.driver_info)
    if kind == IPMI:
        return read_ipmi(access.driver_info)
    raise InvalidRequest(f"there is no BMC driver {kind}; known: {REDFISH}, {IPMI}, {FAKE}")
