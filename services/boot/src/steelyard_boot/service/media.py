"""Virtual media of a boot: made, published, inserted, and taken back when the work is over."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from steelyard_common.bmc import RemoteMedia
from steelyard_common.db import Database
from steelyard_common.errors import DeviceUnreachable, InvalidRequest, NotFound, Unsupported

from ..domain import cd, media
from ..domain.artifacts import Artifact
from ..domain.boot_model import BootModel, Kind
from ..domain.loaders import BIOS
from ..domain.media import Own
from ..domain.node_for_boot import BootOf, NodeForBoot
from ..drivers import Storage, esp, iso
from ..drivers.loaders import Loaders
from ..store import media as store
from .artifacts import Artifacts

HTTPS = "redfish-https"
MOST_ESP_BYTES = 64 << 20
SPARE_S = 5.0  # of the time a step has, for what is not the BMC's
Clock = Callable[[], datetime]


class Conversations(Protocol):
    """See ``drivers.remote_media``."""

    def open(self, node: Mapping[str, Any], timeout_s: float) -> AbstractContextManager[RemoteMedia]: ...


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Where media are kept. ``remove``: one artifact, now. ``url``: tells boot's public address."""

    artifacts: Artifacts
    storage: Storage
    remove: Callable[[str], object]
    url: Callable[[], str]
    api_url: str = ""


class Media:
    """``open_secret``: of a sealed token, on its way to a medium."""

    def __init__(
        self, database: Database, shelf: Shelf, conversations: Conversations, loaders: Loaders, clock: Clock,
        open_secret: Callable[[str], str],
    ) -> None:  # fmt: skip
        self._database, self._shelf, self._conversations = database, shelf, conversations
        self._loaders, self._clock, self._open = loaders, clock, open_secret
        self._making = threading.Lock()

    def insert(self, node: NodeForBoot, what: BootOf, model: BootModel, timeout_s: float) -> bool:
        """What the model tells is in the BMC's slots, or its firmware's address. → whether the token is on it.

        What was there before is ejected and gone. Errors: of the BMC, Unsupported, InvalidRequest, Unavailable.
        """
        until = time.monotonic() + timeout_s
        own = Own(
            node_uuid=node.uuid, api_url=self._shelf.api_url if what.agent and what.called is None else "",
            identity=what.called,
            token=self._open(what.token) if what.token else None, network_data=what.network_data,
        )  # fmt: skip
        if node.interface == HTTPS:
            return self._by_url(node, what, model, own, until)
        with self._talk(node, until) as bmc:
            slots = media.choose(bmc.media_slots())
            plan = media.plan(slots, has_iso=model.kind is Kind.ISO, own=own)
        first, second = self._make(node, what, model, own, plan)
        self.unpublish(node.uuid)
        names = self._publish(node, model, [each for each in (first, second) if each])
        with self._talk(node, until) as bmc:
            for slot in bmc.media_slots():
                if slot.is_inserted:
                    bmc.eject_media(slot.id)
            bmc.insert_media(slots.first, names[0])
            if slots.second is not None and len(names) > 1:
                bmc.insert_media(slots.second, names[1])
        return plan.has_token

    def remove(self, node: NodeForBoot, timeout_s: float) -> None:
        """Nothing of ours is in a slot, nothing is published. Media of somebody else's stay."""
        if node.interface != HTTPS:
            with self._talk(node, time.monotonic() + timeout_s) as bmc:
                for slot in bmc.media_slots():
                    if slot.is_inserted and self._may_be_ours(slot.image):
                        bmc.eject_media(slot.id)
        self.unpublish(node.uuid)

    def unpublish(self, node_uuid: str) -> None:
        """No address of this node's media leads anywhere any more, and what was made for it alone is deleted."""
        with self._database.begin() as transaction:
            gone = store.unpublish(transaction.connection, node_uuid)
        self._shelf.artifacts.release(_reference(node_uuid))
        for each in gone:
            if each.is_ours:
                self._shelf.remove(each.artifact)

    def find(self, name: str) -> store.Published:
        """What is at ``/media/<name>``. Errors: NotFound."""
        with self._database.read() as connection:
            found = store.find(connection, name)
        if found is None:
            raise NotFound("there is no such medium")
        return found

    # ---- inside

    def _by_url(self, node: NodeForBoot, what: BootOf, model: BootModel, own: Own, until: float) -> bool:
        """The firmware fetches an ISO by itself."""
        plan = media.plan(media.Slots(first=""), has_iso=model.kind is Kind.ISO, own=own)
        first, _ = self._make(node, what, model, own, plan)
        self.unpublish(node.uuid)
        (name,) = self._publish(node, model, [first])
        with self._talk(node, until) as bmc:
            bmc.set_http_boot(name)
        return plan.has_token

    def _talk(self, node: NodeForBoot, until: float) -> AbstractContextManager[RemoteMedia]:
        left = until - time.monotonic() - SPARE_S
        if left <= 0:
            raise DeviceUnreachable("no time is left for the BMC; nothing was sent")
        return self._conversations.open(node.view, left)

    def _make(
        self, node: NodeForBoot, what: BootOf, model: BootModel, own: Own, plan: media.Plan
    ) -> tuple[tuple[str, bool], tuple[str, bool] | None]:
        """→ (artifact, whether it is this node's alone) of the first and the second medium."""
        if model.iso is not None:
            first = (artifact_key(model.iso.url), False)
        elif plan.is_shared:
            first = (self._shared(node, what, model), False)
        else:
            first = (self._cd(node, what, model, own), True)
        if not plan.own_medium:
            return first, None
        image = iso.files_image(media.label_of(own), media.files_of(own))
        made = self._shelf.artifacts.add(BytesIO(image), "config.iso", "iso", self._clock(), secret_name=True)
        return first, (made.key, True)

    def _shared(self, node: NodeForBoot, what: BootOf, model: BootModel) -> str:
        """One CD for all nodes that boot the same with the same arguments."""
        parts = _parts(node, what, model)
        with self._making:
            with self._database.read() as connection:
                known = store.cd_of(connection, parts)
            if known is not None and self._shelf.storage.size(known) is not None:
                return known
            key = self._cd(node, what, model, None)
            with self._database.begin() as transaction:
                store.note_cd(transaction.connection, parts, key, self._clock())
        return key

    def _cd(self, node: NodeForBoot, what: BootOf, model: BootModel, own: Own | None) -> str:
        """A CD of kernel and ramdisk; with ``own``, for this node alone."""
        if model.kernel is None or model.ramdisk is None:
            raise InvalidRequest("a CD is made of a kernel and a ramdisk; one of them is missing")
        arguments, extra = model.arguments, {}
        if own is not None and own:
            arguments += (f"ipa-agent-token={own.token}",) if own.token else ()
            extra = media.files_of(own)
        digest = cd.digest(_parts(node, what, model), own.node_uuid if own else "", model.boot_id if own else "")
        small = cd.files(digest, model.purpose.value, arguments) | extra
        images = self._boot_images(node, what)
        with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
            large = {
                path: stack.enter_context(self._content(file.url))
                for path, file in ((cd.KERNEL, model.kernel), (cd.RAMDISK, model.ramdisk))
            }
            to = Path(folder, "boot.iso")
            iso.bootable(media.CD, large, small, images, to)
            made = self._shelf.artifacts.add(to, "boot.iso", "iso", self._clock(), secret_name=own is not None)
        return made.key

    def _content(self, url: str) -> Any:
        stored = self._shelf.storage.open(artifact_key(url))
        if stored is None:
            raise NotFound("the kernel or the ramdisk is not on boot's folder any more; prepare the boot again")
        return stored.file

    def _boot_images(self, node: NodeForBoot, what: BootOf) -> iso.BootImages:
        """For the node's firmware; for the other one, too, where its loader is installed."""
        try:
            isolinux = tuple(self._loaders.find(name).read_bytes() for name in ("isolinux.bin", "ldlinux.c32"))
        except NotFound:
            if node.mode == BIOS:
                raise
            isolinux = ()
        try:
            partition: bytes | None = self._esp(node, what)
        except (NotFound, Unsupported):
            if node.mode != BIOS:
                raise
            partition = None
        return iso.BootImages(esp=partition, isolinux=(isolinux[0], isolinux[1]) if isolinux else None)

    def _esp(self, node: NodeForBoot, what: BootOf) -> bytes:
        """The EFI system partition that the node names (an artifact), or one of the GRUB that is installed here."""
        if what.bootloader is not None:
            with self._content(what.bootloader.url) as content:
                return bytes(content.read(MOST_ESP_BYTES))
        names = {"x86_64": "BOOTX64.EFI", "aarch64": "BOOTAA64.EFI"}
        if node.arch not in names:
            raise Unsupported(f"no CD for {node.arch} can be made here: set deploy_iso")
        return esp.make({f"EFI/BOOT/{names[node.arch]}": self._loaders.find(f"cd-{node.arch}.efi")})

    def _publish(self, node: NodeForBoot, model: BootModel, made: list[tuple[str, bool]]) -> list[str]:
        """→ addresses, in order"""
        now = self._clock()
        rows = [
            store.Published(
                name=f"{secrets.token_urlsafe(24)}.iso", node_uuid=node.uuid, boot_id=model.boot_id, artifact=key,
                is_ours=is_own,
            )
            for key, is_own in made
        ]  # fmt: skip
        for row in rows:
            artifact = self._artifact(row.artifact)
            self._shelf.artifacts.keep(_reference(node.uuid) + row.name, artifact)
        with self._database.begin() as transaction:
            store.publish(transaction.connection, rows, now)
        base = str((node.view.get("driver_info") or {}).get("external_http_url") or self._shelf.url()).rstrip("/")
        return [f"{base}/media/{row.name}" for row in rows]

    def _artifact(self, key: str) -> Artifact:
        found = self._shelf.artifacts.get(key)
        if found is None:
            raise NotFound("an artifact of this boot is not there any more; prepare the boot again")
        return found

    @staticmethod
    def _may_be_ours(image: str | None) -> bool:
        """Some BMCs do not say what is in a slot, some only its last part."""
        return image is None or "/media/" in image or "/" not in image


def _reference(node_uuid: str) -> str:
    return f"media:{node_uuid}:"


def artifact_key(url: str) -> str:
    """The artifact that an address of ours leads to. Errors: InvalidRequest for another's."""
    pieces = urlsplit(url).path.split("/")
    if "artifacts" not in pieces[:-1]:
        raise InvalidRequest("a medium is made of artifacts; this is none")
    return pieces[pieces.index("artifacts") + 1]


def _parts(node: NodeForBoot, what: BootOf, model: BootModel) -> str:
    files = (model.kernel, model.ramdisk, what.bootloader)
    sums = [file.sha256 if file else "" for file in files]
    return cd.digest(*sums, *model.arguments, model.purpose.value, node.arch, node.mode)  # fmt: skip
