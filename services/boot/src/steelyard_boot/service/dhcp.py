"""Keeps DHCP and TFTP servers in step with what nodes boot, and reads in their log how machines do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import Connection
from steelyard_common.db import Database
from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from ..domain import dnsmasq_log
from ..domain.dhcp import INTERFACES, Host, SiteRules
from ..domain.dnsmasq_log import Dhcp, Tftp
from ..domain.naming import as_uuid
from ..domain.waterfall import FAILED, OK, Hop, Note
from ..drivers.dhcp import DhcpServer, NoDhcp
from ..drivers.log_file import LogFile
from ..drivers.tftp_tree import TftpTree
from ..store import attempts
from ..store import boots as store
from ..store.boots import BootRow

log = get_logger(__name__)
LOOK_S = 0.5
PXE = "pxe"


class Followers:
    """``service.boots.Follower`` of the DHCP server and the TFTP folder. ``tree`` None: nobody serves one."""

    def __init__(
        self, database: Database, server: DhcpServer, tree: TftpTree | None, rules: Callable[[], SiteRules]
    ) -> None:
        self._database, self._server, self._tree, self._rules = database, server, tree, rules

    def begin(self) -> None:
        """Write all anew: nobody knows what changed while no replica ran. Errors: Unavailable."""
        if self._tree is not None:
            self._tree.write_loaders()
        if isinstance(self._server, NoDhcp):
            return
        self._server.write_site(self._rules())
        self._server.write_all(self._everyone())

    def _everyone(self) -> list[Host]:
        with self._database.read() as connection:
            return hosts(store.everything(connection))

    def follow(self, row: BootRow) -> None:
        for host in hosts([row]):
            self._server.write(host, self._everyone)
        if row.interface not in INTERFACES:
            self._server.remove(row.node_uuid, self._everyone)
        if self._tree is not None:
            if row.interface == PXE:
                self._tree.write(row.node_uuid, row.macs, row.model)
            else:
                self._tree.remove(row.node_uuid)

    def forget(self, node_uuid: str) -> None:
        self._server.remove(node_uuid, self._everyone)
        if self._tree is not None:
            self._tree.remove(node_uuid)


def hosts(rows: Sequence[BootRow]) -> list[Host]:
    """Those that boot over the network."""
    return [
        Host(node_uuid=row.node_uuid, interface=row.interface, macs=row.macs, loader=row.loader)
        for row in rows
        if row.interface in INTERFACES and row.macs
    ]


class LogReader:
    """Follows dnsmasq's log and its leases. One replica is enough."""

    def __init__(
        self, database: Database, log_file: LogFile, leases_file: Path | None, told: Callable[[Note], None],
        clock: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._database, self._file, self._leases_file = database, log_file, leases_file
        self._told, self._clock = told, clock
        self._reader, self._leases = dnsmasq_log.Reader(), dict[str, str]()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dhcp-log", daemon=True)

    def start(self) -> LogReader:
        self.begin()
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)

    def begin(self) -> None:
        """What stands in the log already is past; leases still hold."""
        self._file.skip()
        try:
            self._leases = dnsmasq_log.leases(self._leases_file.read_text()) if self._leases_file else {}
        except OSError as error:
            log.warning("dnsmasq's leases cannot be read", reason=str(error))
        with self._database.begin() as transaction:
            attempts.write_leases(transaction.connection, self._leases, self._clock())

    def look(self) -> int:
        """What is new. → how many lines told something. Errors: Unavailable."""
        seen = [found for line in self._file.lines() if (found := self._reader.read(line)) is not None]
        if not seen:
            return 0
        with self._database.begin() as transaction:
            seen = _with_macs(transaction.connection, seen)
            fresh = {each.got: each.mac for each in seen if isinstance(each, Dhcp) and each.got and each.mac}
            self._leases |= fresh
            macs = {mac for each in seen if (mac := self._mac(each))}
            attempts.write_leases(transaction.connection, fresh, self._clock())
            nodes = attempts.nodes_of_macs(transaction.connection, sorted(macs))
        for each in seen:
            node = nodes.get(self._mac(each) or "")
            if node is not None:
                self._told(_note(each, node, self._clock()))
        return len(seen)

    def _mac(self, each: Dhcp | Tftp) -> str | None:
        return each.mac if isinstance(each, Dhcp) else self._leases.get(each.ip)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self.look()
            except SteelyardError as error:
                log.warning("dnsmasq's log could not be followed", reason=error.message)


def _with_macs(connection: Connection, seen: Sequence[Dhcp | Tftp]) -> list[Dhcp | Tftp]:
    """A machine that gave only its system UUID has one of its node's NICs."""
    uuids = sorted({each.system_uuid for each in seen if isinstance(each, Dhcp) and not each.mac and each.system_uuid})
    rows = store.find(connection, [((system_uuid,), (), None) for system_uuid in uuids]) if uuids else []
    macs = {system_uuid: row.macs[0] for system_uuid, row in zip(uuids, rows, strict=True) if row and row.macs}
    return [
        replace(each, mac=each.mac or macs.get(each.system_uuid or "")) if isinstance(each, Dhcp) else each
        for each in seen
    ]


def _note(each: Dhcp | Tftp, node: str, at: datetime) -> Note:
    if isinstance(each, Dhcp):
        detail: dict[str, Any] = {"address": each.got} if each.got else {"error": each.error}
        return Note(node_uuid=node, hop=Hop.DHCP, outcome=OK if each.got else FAILED, at=at, detail=detail)
    path = PurePosixPath(each.file)
    boot_id = as_uuid(path.parent.name)
    hop = {"kernel": Hop.KERNEL, "ramdisk": Hop.RAMDISK}.get(path.name) if boot_id else None
    if hop is None:
        hop = Hop.SCRIPT if path.name.startswith("grub.cfg") or "pxelinux.cfg" in path.parts else Hop.LOADER
    detail = {"what": path.name, "transport": "tftp", "address": each.ip}
    if each.error:
        detail["error"] = each.error
    return Note(node_uuid=node, hop=hop, outcome=FAILED if each.error else OK, at=at, boot_id=boot_id, detail=detail)
