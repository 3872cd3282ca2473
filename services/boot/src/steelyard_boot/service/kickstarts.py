"""Kickstarts: kept sealed for the machine that is to read them, and told to it alone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from steelyard_common.db import Database
from steelyard_common.errors import Forbidden, NotFound
from steelyard_common.provider import Clock
from steelyard_common.secrets import Sealer

from ..domain.artifacts import is_key, random_key
from ..store import kickstarts as store
from ..store.kickstarts import Kickstart, Served

FOLDER = "installers"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is told to the machine: a kickstart's text, or the key of a stage2."""

    boot_id: str
    content: str = field(repr=False)


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

    def kickstart(self, name: str, macs: Collection[str], address: str | None) -> Told:
        """``macs``: of all NICs, as the asker says; ``address``: where it asks from. Errors: NotFound, Forbidden."""
        served, lease = self._find(name, address)
        if served.macs and not set(served.macs) & set(macs):
            raise Forbidden("this kickstart is told to a machine that names a NIC of its node (inst.ks.sendmac)")
        if served.macs and lease is not None and lease not in served.macs:
            raise Forbidden("this address was given to another machine")
        return Told(boot_id=served.boot_id, content=self._sealer.open(served.kickstart.text))

    def stage2(self, name: str) -> Told:
        """Errors: NotFound."""
        served, _ = self._find(name, None)
        if served.kickstart.stage2 is None:
            raise NotFound("there is no stage2: the tree has one")
        return Told(boot_id=served.boot_id, content=served.kickstart.stage2)

    def _find(self, name: str, address: str | None) -> tuple[Served, str | None]:
        if is_key(name):
            with self._database.read() as connection:
                served = store.find(connection, name)
                lease = store.lease_of(connection, address) if address else None
            if served is not None:
                return served, lease
        raise NotFound("there is no such installer, or its deployment is over")
