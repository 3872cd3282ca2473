"""Virtual media of one System: slots that the BMC shows to the machine as CD drives and USB sticks.

| what BMCs do | what is done here |
| --- | --- |
| slots below the System, or below its Manager | the System's first, then its Managers' |
| no InsertMedia or EjectMedia action | PATCH of Image and Inserted |
| refuse Inserted and WriteProtected, or want them | Image alone first (the others have defaults); by PATCH with them |
| want TransferProtocolType, TransferMethod, or a user | sent when the short form was refused |
| want no body to EjectMedia, or an empty object | the one, then the other |
| answer before the medium is there (202, or just slowly) | the slot is read until it has it |
| refuse to eject what is not there, or to insert what is | the slot is looked at before and after |

Which BMCs, and how that is known: docs/reference/bmc-quirks.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

from ...errors import DeviceRefused, DeviceUnreachable, NotFound, OutcomeUnknown, SteelyardError, Unsupported
from .. import MediaSlot
from .connection import Document, RedfishConnection

INSERT, EJECT = "#VirtualMedia.InsertMedia", "#VirtualMedia.EjectMedia"
LOOK_EVERY_S = 0.5
MOMENT_S = 3.0
PROTOCOLS = {"http": "HTTP", "https": "HTTPS"}


def slots(connection: RedfishConnection, system_id: str | None) -> tuple[MediaSlot, ...]:
    """All, the System's before its Managers'; none where the BMC has none."""
    found: dict[str, MediaSlot] = {}
    for document in _documents(connection, connection.system_document(system_id)):
        slot = _slot(document)
        if slot.id:
            found.setdefault(slot.id, slot)
    return tuple(found.values())


def _documents(connection: RedfishConnection, system: Document) -> Iterator[Document]:
    yield from connection.members(_link(system.get("VirtualMedia")))
    managers = (system.get("Links") or {}).get("ManagedBy") or []
    for manager in [connection.expanded(link) for link in managers] or connection.members("/redfish/v1/Managers"):
        if manager:
            yield from connection.members(_link(manager.get("VirtualMedia")))


def _link(value: object) -> str | None:
    return value.get("@odata.id") if isinstance(value, dict) else None


def _slot(document: Document) -> MediaSlot:
    kinds = document.get("MediaTypes")
    return MediaSlot(
        id=str(document.get("@odata.id") or ""),
        name=str(document.get("Name") or document.get("Id") or ""),
        kinds=tuple(str(kind) for kind in kinds) if isinstance(kinds, list) else (),
        is_inserted=_is_inserted(document),
        image=document.get("Image") or None,
    )


def _is_inserted(document: Document) -> bool:
    """Some leave Inserted out, some leave Image behind after an eject."""
    inserted = document.get("Inserted")
    return inserted if isinstance(inserted, bool) else bool(document.get("Image"))


def _has(document: Document, url: str) -> bool:
    """Some show the URL as it was given, some only its last part."""
    shown = str(document.get("Image") or document.get("ImageName") or "")
    return _is_inserted(document) and (shown == url or not shown or shown.endswith(url.rsplit("/", 1)[-1]))


def insert(connection: RedfishConnection, slot: str, url: str) -> None:
    """``url`` is in the slot afterwards; what was there before is ejected. May be repeated.

    Errors: NotFound, Unsupported, DeviceRefused, OutcomeUnknown when the slot does not show it in time.
    """
    document = _read(connection, slot)
    if _has(document, url) and document.get("Image"):
        return
    if _is_inserted(document):
        eject(connection, slot)
        document = _read(connection, slot)
    _first_that_works(
        [partial(_send, connection, slot, document, INSERT, body) for body in _bodies(url, _action(document, INSERT))],
        lambda is_open: _soon(connection, slot, is_open, lambda shown: _has(shown, url)),
    )  # fmt: skip
    _wait(connection, slot, lambda shown: _has(shown, url), f"the BMC did not insert {_without_query(url)} in time")


def eject(connection: RedfishConnection, slot: str) -> None:
    """The slot is empty afterwards. May be repeated. Errors: as of ``insert``."""
    document = _read(connection, slot)
    if not _is_inserted(document):
        return
    bodies: tuple[Document | None, ...] = (None, {}) if _action(document, EJECT) else ()
    _first_that_works(
        [
            *(partial(_send, connection, slot, document, EJECT, body) for body in bodies),
            partial(connection.patch, slot, {"Image": None, "Inserted": False}),
        ],
        lambda is_open: _soon(connection, slot, is_open, lambda shown: not _is_inserted(shown)),
    )  # fmt: skip
    _wait(connection, slot, lambda shown: not _is_inserted(shown), "the BMC did not eject its medium in time")


def _bodies(url: str, action: str | None) -> list[Document]:
    image: Document = {"Image": url}
    whole = image | {"Inserted": True, "WriteProtected": True}
    protocol = PROTOCOLS.get(urlsplit(url).scheme)
    told: Document = {"TransferProtocolType": protocol} if protocol else {}
    streamed = told | {"TransferMethod": "Stream"}
    if action is None:
        return [whole, whole | streamed]
    user = {"UserName": "none", "Password": "none"}
    return [image, image | told, image | streamed, whole | streamed, image | streamed | user]


def _action(document: Document, name: str) -> str | None:
    known = (document.get("Actions") or {}).get(name)
    return str(known["target"]) if isinstance(known, dict) and known.get("target") else None


def _send(connection: RedfishConnection, slot: str, document: Document, action: str, body: Document | None) -> None:
    """By the action where there is one, else by PATCH."""
    target = _action(document, action)
    if target is not None:
        connection.post(target, body)
    else:
        connection.patch(slot, body or {})


def _first_that_works(ways: Sequence[Callable[[], None]], is_so: Callable[[bool], bool]) -> None:
    """A refusal is believed when every way was refused, and it is not so after all."""
    refusal: SteelyardError | None = None
    for way in ways:
        try:
            way()
        except (DeviceRefused, Unsupported, OutcomeUnknown) as error:
            if "credentials" in error.message:
                raise
            refusal = error
            if is_so(isinstance(error, OutcomeUnknown)):
                return
        else:
            return
    if refusal is not None:
        raise refusal


def _soon(connection: RedfishConnection, slot: str, is_open: bool, is_so: Callable[[Document], bool]) -> bool:
    """Whether it is so after all. ``is_open``: nobody knows what became of the call, so it is given a moment."""
    deadline = connection.connector.deadline.within(MOMENT_S if is_open else 0)
    while not is_so(_read(connection, slot)):
        if deadline.left() <= LOOK_EVERY_S:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _wait(connection: RedfishConnection, slot: str, is_so: Callable[[Document], bool], late: str) -> None:
    deadline = connection.connector.deadline
    while True:
        try:
            if is_so(_read(connection, slot)):
                return
        except DeviceUnreachable:
            if deadline.left() <= LOOK_EVERY_S:
                raise
        if deadline.left() <= LOOK_EVERY_S:
            raise OutcomeUnknown(f"{late} ({connection.target.address}, {slot})")
        time.sleep(LOOK_EVERY_S)


def _read(connection: RedfishConnection, slot: str) -> Document:
    document = connection.optional(slot)
    if document is None:
        raise NotFound(f"the BMC at {connection.target.address} has no slot {slot}")
    return document


def _without_query(url: str) -> str:
    return url.partition("?")[0]
