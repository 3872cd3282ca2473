"""What is on a CD or stick that a machine was given: kernel arguments, and what an agent finds there (facts §12)."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

ISOLINUX, PARAMETERS = "/isolinux/isolinux.cfg", "/parameters.txt"


@dataclass(frozen=True, kw_only=True)
class Disc:
    """``arguments``: the kernel's, empty where the disc does not boot one; ``parameters``: for the agent."""

    arguments: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)


def new_file() -> BinaryIO:
    """Where a disc lies while it is looked at: in memory, unless it is large."""
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=4 << 20))


def look(file: BinaryIO) -> Disc:
    """Blocks; nothing is known of what is no ISO 9660."""
    iso = pycdlib.PyCdlib()
    try:
        file.seek(0)
        iso.open_fp(file)
    except (PyCdlibException, OSError):
        return Disc()
    try:
        return Disc(arguments=_arguments(_read(iso, ISOLINUX)), parameters=_parameters(_read(iso, PARAMETERS)))
    finally:
        iso.close()


def _read(iso: pycdlib.PyCdlib, path: str) -> str:
    """Empty when it is not there."""
    out = io.BytesIO()
    try:
        iso.get_file_from_iso_fp(out, **({"joliet_path": path} if iso.has_joliet() else {"rr_path": path}))
    except PyCdlibException:
        return ""
    return out.getvalue().decode(errors="replace")


def _arguments(config: str) -> str:
    for line in config.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.upper() == "APPEND":
            return rest.strip()
    return ""


def _parameters(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}
