"""What a machine that boots is told: its configuration, found by its names, in the language of its loader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from steelyard_common.combining import Combiner
from steelyard_common.db import Database
from steelyard_common.errors import NotFound, SteelyardError

from ..domain import grub, ipxe, pxelinux
from ..domain.boot_model import BootModel, Chap, File
from ..domain.naming import both_orders
from ..domain.waterfall import FAILED, OK, STRANGE_MACS, Hop, Note
from ..store import boots as store
from ..store.boots import BootRow

Told = Callable[[Note], None]
NOBODY = "no boot configuration is kept for a machine of these names"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """By whom. ``address``: where the request came from."""

    uuids: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    address: str | None = None


@dataclass
class _Ticket:
    """A question on its way through a query."""

    asked: Asked
    row: BootRow | None = None


class Scripts:
    """``base_url``: tells ours; what is below it is told without it, or with the asker's host.

    ``is_known``: whether somebody else knows a machine of these names; such a one has nothing to do here.
    """

    def __init__(
        self,
        database: Database,
        base_url: Callable[[], str],
        told: Told,
        clock: Callable[[], datetime],
        open_secret: Callable[[str], str],
        is_known: Callable[[Asked], bool] = lambda _asked: False,
    ) -> None:
        self._database, self._base, self._told, self._clock = database, base_url, told, clock
        self._open, self._is_known = open_secret, is_known
        self._own_url = ""
        self._finds: Combiner[_Ticket] = Combiner(self._look_up, linger_s=0.001)

    def ipxe(self, asked: Asked) -> str:
        """Errors: NotFound."""
        row = self._find(asked)
        if row is None:
            return ipxe.nothing_to_do()
        return self._rendered(asked, row, lambda: self._script(self._opened(row.model)))

    def ipxe_of_many(self, asked: Sequence[Asked]) -> list[str | None]:
        """One query for all. None for whoever is to ask alone: nobody knows it, nothing is to be done, its script holds
        a secret or cannot be made. Errors: Unavailable."""
        tickets = [_Ticket(each) for each in asked]
        self._look_up(tickets)
        return [self._plain(ticket.asked, ticket.row) for ticket in tickets]

    def grub(self, asked: Asked) -> str:
        """Errors: NotFound, Unsupported."""
        row = self._find(asked)
        if row is None:
            return grub.LOCAL
        place = self._place(row.model, "")
        return self._rendered(asked, row, lambda: grub.config(row.model, lambda file: grub.over_http(place(file))))

    def pxelinux(self, asked: Asked, host: str) -> str:
        """PXELINUX over HTTP. ``host``: as the machine wrote it, with its port. Errors: NotFound, Unsupported."""
        row = self._find(asked)
        if row is None:
            return pxelinux.LOCAL
        return self._rendered(asked, row, lambda: pxelinux.config(row.model, self._place(row.model, f"http://{host}")))

    def trouble(self, boot_id: str, at: str, errno: str, address: str | None) -> None:
        """A machine's script says where it failed."""
        row = self._of_boot(boot_id)
        hop = next((hop for hop in Hop if hop.value == at), None)
        if row is not None:
            detail = {"what": at, "errno": errno, "address": address}
            self._note(row, hop or Hop.SCRIPT, FAILED, detail)

    def _plain(self, asked: Asked, row: BootRow | None) -> str | None:
        if row is None or row.model.tells_secret:
            return None
        try:
            text = self._script(row.model)
        except SteelyardError:
            return None
        self._note_sent(asked, row, text)
        return text

    def _script(self, model: BootModel) -> str:
        return ipxe.script(model, self._place(model, ""), f"/ipxe/trouble?boot={model.boot_id}")

    def _find(self, asked: Asked) -> BootRow | None:
        """None: known, with nothing to do. Errors: NotFound."""
        ticket = _Ticket(asked)
        self._finds.submit(ticket)
        row = ticket.row
        if row is None and not self._is_known(asked):
            raise NotFound(NOBODY)
        if row is not None and row.is_anothers and row.model.tells_secret:
            raise NotFound(NOBODY)  # its script holds a secret: not for a machine that is known to be another
        return row

    def _look_up(self, tickets: list[_Ticket]) -> list[SteelyardError | None]:
        """Those who ask at the same time share a query."""
        names = [(both_orders(each.asked.uuids), each.asked.macs, each.asked.address) for each in tickets]
        with self._database.read() as connection:
            for ticket, row in zip(tickets, store.find(connection, names), strict=True):
                ticket.row = row
        return [None] * len(tickets)

    def _of_boot(self, boot_id: str) -> BootRow | None:
        with self._database.read() as connection:
            return store.of_boot(connection, boot_id)

    def _rendered(self, asked: Asked, row: BootRow, render: Callable[[], str]) -> str:
        try:
            text = render()
        except SteelyardError as error:
            self._note(row, Hop.SCRIPT, FAILED, _sent(asked, row) | {"error": error.message})
            raise
        self._note_sent(asked, row, text)
        return text

    def _note_sent(self, asked: Asked, row: BootRow, text: str) -> None:
        self._note(row, Hop.SCRIPT, OK, _sent(asked, row) | {"bytes": len(text)})

    def _note(self, row: BootRow, hop: Hop, outcome: str, detail: dict[str, Any]) -> None:
        at = self._clock()
        self._told(
            Note(node_uuid=row.node_uuid, boot_id=row.model.boot_id, hop=hop, outcome=outcome, at=at, detail=detail)
        )

    def _opened(self, model: BootModel) -> BootModel:
        """iPXE signs in at a volume by itself: the one secret that a script has to hold."""
        if model.chap is None:
            return model
        return replace(model, chap=Chap(username=model.chap.username, password=self._open(model.chap.password)))

    def _place(self, model: BootModel, root: str) -> Callable[[File], str]:
        """Where a file is: ours below ``root`` and with the boot's name, so that the fetch can be told apart."""
        self._own_url = base = self._own_url or self._base().rstrip("/")  # it stays as long as this process
        names = {id(model.kernel): "kernel", id(model.ramdisk): "ramdisk", id(model.iso): "iso"}

        def place(file: File) -> str:
            if not file.url.startswith(f"{base}/"):
                return file.url
            mark = "&" if "?" in file.url else "?"
            what = names[id(file)]
            return f"{root}{file.url[len(base) :]}{mark}boot={quote(model.boot_id)}&as={what}"

        return place


def _sent(asked: Asked, row: BootRow) -> dict[str, Any]:
    strange = {STRANGE_MACS: ", ".join(asked.macs)} if row.has_anothers_mac else {}
    return {"what": f"script for {row.model.purpose.value}", "address": asked.address, **strange}
