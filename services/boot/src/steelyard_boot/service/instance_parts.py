"""What an instance is made of: its image as boot fetches it, its config drive, who may fetch it."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from typing import Any

from steelyard_common.errors import InvalidRequest
from steelyard_common.provider import Clock, Slice
from steelyard_common.secrets import PREFIX, Sealer

from ..domain import config_drive, fitting
from ..domain.artifacts import Artifact, Fetching, Proxies, Wish
from ..domain.images import Image, ImageRules
from ..drivers.iso import files_image
from .artifacts import Artifacts, saying_which
from .inventory import Inventory

AUTHORIZATIONS = ("/image_request_authorization_secret", "/image_pull_secret")


class InstanceParts:
    """Nothing is kept: config drives and secrets are asked for when they are needed."""

    def __init__(
        self, artifacts: Artifacts, inventory: Inventory, sealer: Sealer, rules: ImageRules, clock: Clock
    ) -> None:  # fmt: skip
        self._artifacts, self._inventory, self._sealer = artifacts, inventory, sealer
        self._rules, self._clock = rules, clock

    def fetched(self, piece: Slice, made: Image) -> Artifact | Fetching:
        """The image, kept for this node. Errors: those of a fetch; InvalidRequest for one that the node has certainly
        no room for."""
        wish = self.wish(piece, made, to_raw=self._rules.raw)
        with saying_which("image_source"):
            found = self._artifacts.want(wish, self._clock())
        self._artifacts.keep(f"node:{piece.node['uuid']}:image", wish)
        if isinstance(found, Artifact):
            disks = self._inventory.instance(piece.node["uuid"]).get("disks") or []
            fitting.check(piece.node, made, found.virtual_size, disks)
        return found

    def wish(self, piece: Slice, made: Image, *, to_raw: bool) -> Wish:
        """The image as boot is to fetch it, for who runs the instance."""
        proxies = Proxies(http=made.proxies.get("http"), https=made.proxies.get("https"), no=made.no_proxy)
        return Wish(
            url=made.source, kind="image", checksum=made.wished,
            project=self._inventory.instance(piece.node["uuid"]).get("project"),
            authorization=_sealed_authorization(piece), convert_to_raw=to_raw,
            proxies=proxies if made.proxies else None,
        )  # fmt: skip

    def release(self, piece: Slice) -> None:
        self._artifacts.release(f"node:{piece.node['uuid']}:image")

    def config_drive(self, piece: Slice) -> str | None:
        """As the agent takes it: a URL, or base64 of a gzipped ISO. Errors: InvalidRequest, NotFound."""
        drive = self.told_drive(piece.node["uuid"])
        if not drive:
            return None
        if isinstance(drive, str):
            return drive
        if not isinstance(drive, Mapping):
            raise InvalidRequest("the config drive is neither a URL, nor base64, nor an object")
        made = files_image(config_drive.LABEL, config_drive.files(drive, piece.node))
        return base64.b64encode(gzip.compress(made, mtime=0)).decode()

    def told_drive(self, node_uuid: str) -> Any:
        """The config drive as it was given, opened; None where there is none. Errors: NotFound."""
        return config_drive.opened(self._inventory.instance(node_uuid).get("configdrive"), self._sealer.open)

    def authorization(self, piece: Slice) -> str | None:
        """What the source of the image asks for, opened."""
        sealed = _sealed_authorization(piece)
        return self._sealer.open(sealed) if sealed and sealed.startswith(PREFIX) else None


def _sealed_authorization(piece: Slice) -> str | None:
    sealed: Mapping[str, Any] = piece.node.get("sealed_instance") or {}
    return next((str(sealed[name]) for name in AUTHORIZATIONS if sealed.get(name)), None)
