"""The files of an instance's config drive, in whichever form it was given (facts §9): for who writes files."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import zlib
from collections.abc import Mapping

from steelyard_common.errors import InvalidRequest
from steelyard_common.provider import Slice

from ..domain import config_drive
from ..domain.artifacts import Wish
from ..domain.installer import project_of
from ..domain.kickstart_drive import MOST_BYTES
from ..drivers.iso import files_of
from .artifacts import saying_which
from .instance_parts import InstanceParts
from .small_files import SmallFiles

MOST_IMAGE = 16 << 20  # of an ISO: most of a small one is empty
GZIP = b"\x1f\x8b"


class DriveFiles:
    """Nothing is kept."""

    def __init__(self, parts: InstanceParts, files: SmallFiles) -> None:
        self._parts, self._files = parts, files

    def of(self, piece: Slice) -> dict[str, bytes]:
        """Path → content; empty where there is no config drive. Errors: InvalidRequest, NotFound, those of a fetch."""
        drive = self._parts.told_drive(piece.node["uuid"])
        if not drive:
            return {}
        if isinstance(drive, Mapping):
            return config_drive.files(drive, piece.node)
        with saying_which("the config drive"):
            content = str(drive).encode()
            if content.startswith((b"http://", b"https://", b"file://")):
                wish = Wish(url=str(drive), kind="configdrive", project=project_of(piece.node))
                content = self._files.read(wish, MOST_IMAGE)
            return files_of(_image(content), MOST_BYTES)


def _image(content: bytes) -> bytes:
    """The ISO in it: base64 of it gzipped, or what is left of that. Errors: InvalidRequest."""
    try:
        if not content.startswith(GZIP) and b"CD001" not in content[:65536]:
            content = base64.b64decode(content, validate=False)
        if content.startswith(GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(MOST_IMAGE + 1)
    except (binascii.Error, OSError, EOFError, zlib.error) as error:
        raise InvalidRequest("it is no base64 of a gzipped ISO image") from error
    if len(content) > MOST_IMAGE:
        raise InvalidRequest(f"its image has more than {MOST_IMAGE >> 20} MiB, too many to be put into a kickstart")
    return content
