"""The config drive in a kickstart: sections that write its files where cloud-init looks for them. Pure.

An installer lays out the disk by itself, so there is no partition for the drive: its files go to the folder that
cloud-init's ConfigDrive reads first (``seed_dir``).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from steelyard_common.errors import InvalidRequest

FOLDER = "/var/lib/cloud/seed/config_drive"
MOST_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9._/-]+")
_END = "END-OF-FILE"


def sections(files: Mapping[str, bytes]) -> str:
    """``files``: path → content, as on the drive. Errors: InvalidRequest for too much, or names that are no names."""
    if not files:
        return ""
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise InvalidRequest(
            f"the config drive has {size} bytes; in a kickstart {MOST_BYTES} fit. Leave large files to user data that "
            "fetches them"
        )
    lines = ["", "%post --erroronfail", "umask 077"]
    for name, content in sorted(files.items()):
        path = PurePosixPath(FOLDER) / _checked(name)
        lines += [f"mkdir -p {path.parent}", f"base64 --decode > {path} << '{_END}'"]
        lines += [*base64.encodebytes(content).decode().splitlines(), _END]
    return "\n".join(
        [*lines, "if command -v restorecon > /dev/null; then restorecon -R /var/lib/cloud; fi", "%end", ""]
    )


def _checked(name: str) -> str:
    plain = name.lstrip("/")
    if not _NAME.fullmatch(plain) or ".." in PurePosixPath(plain).parts:
        raise InvalidRequest("a file of the config drive has a name with other than letters, digits, '.', '_' and '-'")
    return plain
