"""Looks into images before anybody uses them: what they are, how large a disk they make, where they lead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from steelyard_common.errors import InvalidRequest

from ..domain.artifacts import amount

IMAGE_FORMATS = ("raw", "gpt", "qcow2", "iso")  # lifecycle facts §9
_PAGE = (b"<!doctype html", b"<html", b"<?xml")


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """``virtual_size``: bytes of the disk that it makes."""

    format: str
    virtual_size: int


def inspect(path: Path, kind: str, what: str) -> Inspected:
    """``what``: for texts. Errors: InvalidRequest when it is not what such an artifact may be."""
    size = path.stat().st_size
    if size == 0:
        raise InvalidRequest(f"{what} is empty")
    if kind not in ("image", "iso"):
        with path.open("rb") as file:
            begin = file.read(64).lstrip().lower()
        if begin.startswith(_PAGE):
            raise InvalidRequest(f"{what} is a web page and no {kind}: look whether the URL is right")
        return Inspected(format=kind, virtual_size=size)
    found = _formats(path, what)
    if kind == "iso":
        if "iso" not in found:
            raise InvalidRequest(f"{what} is no ISO image, it looks like {' and '.join(sorted(found))}")
        return Inspected(format="iso", virtual_size=size)
    name = "iso" if "iso" in found else next(iter(found)) if len(found) == 1 else None
    if name not in IMAGE_FORMATS:
        raise InvalidRequest(
            f"{what} looks like {' and '.join(sorted(found))}; images are {', '.join(IMAGE_FORMATS)}. Convert it, for "
            "instance with qemu-img convert -O qcow2"
        )
    # Of all others the inspectors know only as much as they read.
    return Inspected(format=name, virtual_size=found[name] if name == "qcow2" else size)


def _formats(path: Path, what: str) -> dict[str, int]:
    """Format → virtual size. An ISO that boots from a disk has the marks of both. Errors: InvalidRequest."""
    # Here, not on top: only who fetches images needs it, and with what it brings it takes 0.2 s.
    from oslo_utils.imageutils import format_inspector as oslo

    found = {}
    with path.open("rb") as file:
        wrapper = oslo.InspectWrapper(file)
        while wrapper.formats is None and wrapper.read(1024 * 1024):
            pass
        wrapper.close()
    try:
        for each in wrapper.formats or []:
            each.safety_check()
            found[str(each)] = int(each.virtual_size)
    except oslo.SafetyCheckFailed as error:
        reasons = "; ".join(str(failure) for failure in error.failures.values())
        raise InvalidRequest(f"{what} is a {each} image that is not taken: {reasons}") from error
    except oslo.ImageFormatError as error:
        raise InvalidRequest(f"{what} is malformed: {error}") from error
    return found


def check_size(size: int, most: int, what: str) -> None:
    """Errors: InvalidRequest."""
    if size > most:
        raise InvalidRequest(
            f"{what} has {size} bytes ({amount(size)}); at most {most} ({amount(most)}) are taken "
            "(STEELYARD_ARTIFACTS_MOST_BYTES)"
        )
