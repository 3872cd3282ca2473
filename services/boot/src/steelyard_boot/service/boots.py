"""What a node boots next: prepared by a step, told to whoever brings it there (DHCP, TFTP, the BMC)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from steelyard_common.db import Database, Transaction
from steelyard_common.errors import InvalidRequest, Unsupported

from ..domain.boot_model import BootModel, Kind
from ..domain.composing import Site, compose, local
from ..domain.loaders import loader_for
from ..domain.node_for_boot import BootOf, NodeForBoot
from ..store import boots as store

# Called in the transaction that writes what is booted next: (transaction, node, boot id).
Begun = Callable[[Transaction, str, str], None]


class Follower(Protocol):
    """Something outside that must know what a node boots: told after it is written, and told anew at will."""

    def follow(self, row: store.BootRow) -> None: ...
    def forget(self, node_uuid: str) -> None: ...


class Media(Protocol):
    """The BMC's side of booting: see ``service.media``."""

    def insert(self, node: NodeForBoot, what: BootOf, model: BootModel, timeout_s: float) -> bool: ...
    def remove(self, node: NodeForBoot, timeout_s: float) -> None: ...
    def unpublish(self, node_uuid: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """``has_token``: the agent gets its token with its medium; else it is given one when it first asks."""

    boot_id: str
    has_token: bool = False


class Boots:
    """Every call may be repeated: the last one counts."""

    def __init__(
        self,
        database: Database,
        site: Site,
        media: Media,
        clock: Callable[[], datetime],
        *,
        followers: Sequence[Follower] = (),
        begun: Sequence[Begun] = (),
        media_timeout_s: float = 100,
    ) -> None:
        """``begun``: what else must happen when a node is to boot something, in the same transaction."""
        self._media_timeout_s = media_timeout_s
        self._database, self._site, self._media, self._clock = database, site, media, clock
        self._followers, self._begun = list(followers), list(begun)

    def prepare(self, node: NodeForBoot, what: BootOf) -> Prepared:
        """The node boots ``what`` next. Its machine must be off: whoever is up there loses its agent session.

        Errors: InvalidRequest (arguments, volumes), Unsupported (this boot interface cannot bring that), and those of
        the BMC for virtual media.
        """
        boot_id = str(uuid.uuid4())
        model = compose(boot_id, node, what, self._site)
        check(node, model)
        has_token = self._media.insert(node, what, model, self._media_timeout_s) if node.by_media else False
        with self._database.begin() as transaction:
            store.write(transaction.connection, node, model, self._clock())
            for hook in self._begun:
                hook(transaction, node.uuid, boot_id)
        self._tell(node.uuid)
        return Prepared(boot_id=boot_id, has_token=has_token)

    def local(self, node: NodeForBoot) -> None:
        """From now on its own disk. What was published for it is gone; what is in the BMC's slots stays (``clear``)."""
        self._go_local(node.uuid, node)

    def clear(self, node: NodeForBoot) -> None:
        """The work is over: media are ejected and gone, and the machine, should it start, boots its own disk."""
        if node.by_media:
            self._media.remove(node, self._media_timeout_s)
        self._go_local(node.uuid, node)

    def forget(self, node_uuid: str) -> None:
        """The node is no more."""
        with self._database.begin() as transaction:
            store.forget(transaction.connection, node_uuid)
        self._media.unpublish(node_uuid)
        for follower in self._followers:
            follower.forget(node_uuid)

    def _go_local(self, node_uuid: str, node: NodeForBoot) -> None:
        with self._database.begin() as transaction:
            known = store.of_node(transaction.connection, node_uuid)
            if known is None or known.model.kind is not Kind.DISK or set(known.macs) != set(node.macs):
                store.write(transaction.connection, node, local(str(uuid.uuid4())), self._clock())
        self._media.unpublish(node_uuid)
        self._tell(node_uuid)

    def _tell(self, node_uuid: str) -> None:
        with self._database.read() as connection:
            row = store.of_node(connection, node_uuid)
        if row is not None:
            for follower in self._followers:
                follower.follow(row)


def check(node: NodeForBoot, model: BootModel) -> None:
    """Errors: InvalidRequest, Unsupported, with what to do instead."""
    if node.by_network:
        node.loader or loader_for(node.interface, node.mode, node.arch)
        if not node.macs and not node.system_uuids:
            raise InvalidRequest("the node has no port and no properties.system_uuid: its machine cannot be told apart")
        if model.kind is Kind.DRIVES and node.interface not in ("ipxe", "http-ipxe"):
            raise Unsupported(f"the boot interface '{node.interface}' boots from no volume: use 'ipxe' or 'http-ipxe'")
        if model.kind is Kind.ISO and node.interface not in ("ipxe", "http-ipxe"):
            raise Unsupported(
                f"the boot interface '{node.interface}' boots no ISO: use 'ipxe', 'http-ipxe' or"
                " 'redfish-virtual-media'"
            )
    elif not node.by_media:
        raise Unsupported(f"the boot interface '{node.interface}' brings nothing to the node; something else must")
    elif model.kind is Kind.DRIVES:
        raise Unsupported(f"the boot interface '{node.interface}' boots from no volume: use 'ipxe' or 'http-ipxe'")
