"""Kickstarts: kept sealed for the machine that is to read them, and told to it alone."""

from __future__ import annotations

from collections.abc import Callable, Collection

from steelyard_common.db import Database
from steelyard_common.errors import Forbidden, NotFound
from steelyard_common.provider import Clock
from steelyard_common.secrets import Sealer

from ..domain.artifacts import is_key, random_key
from ..store import kickstarts as store
from ..store.kickstarts import Kickstart, Served

FOLDER = "installers"


class Kickstarts:
    """``url``: tells boot's, as machines reach it."""

    def __init__(self, database: Database, sealer: Sealer, url: Callable[[], str], clock: Clock) -> None:
        self._database, self._sealer, self._url, self._clock = database, sealer, url, clock

    def keep(self, node_uuid: str, text: str, stage2: str | None) -> str:
        """Serve it from now on, and no other of this node. → the URL of its folder: who knows it may ask."""
        name = random_key()
        kept = Kickstart(node_uuid=node_uuid, name=name, text=self._sealer.seal(text), stage2=stage2)
        with self._database.begin() as transaction:
            store.keep(transaction.connection, kept, self._clock())
        return f"{self._url().rstrip('/')}/{FOLDER}/{name}"

    def find(self, name: str) -> Served:
        """Errors: NotFound."""
        if is_key(name):
            with self._database.read() as connection:
                served = store.find(connection, name)
            if served is not None:
                return served
        raise NotFound("there is no such installer, or its deployment is over")

    def text(self, served: Served, macs: Collection[str], address: str | None) -> str:
        """The kickstart. ``macs``: of all NICs, as the asker says; ``address``: where it asks from.

        Errors: Forbidden for a machine that is not its node's, or does not say so.
        """
        if served.macs and not set(served.macs) & set(macs):
            raise Forbidden("this kickstart is told to a machine that names a NIC of its node (inst.ks.sendmac)")
        if served.macs and address:
            with self._database.read() as connection:
                lease = store.lease_of(connection, address)
            if lease is not None and lease not in served.macs:
                raise Forbidden("this address was given to another machine")
        return self._sealer.open(served.kickstart.text)
