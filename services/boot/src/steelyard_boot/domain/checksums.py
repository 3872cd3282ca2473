"""Checksums: as they are written, and as they are found in the files that stand beside images. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from steelyard_common.errors import InvalidRequest

LENGTHS = {"md5": 32, "sha256": 64, "sha512": 128}  # hex digits
_BY_LENGTH = {length: name for name, length in LENGTHS.items()}
_HEX = re.compile(r"[0-9a-f]+")
# Lines of checksum files: `sum  name` and `sum *name` (coreutils), `SHA256 (name) = sum` (BSD, --tag).
_COREUTILS = re.compile(r"\\?([0-9A-Fa-f]{32,128})[ \t]+\*?(\S.*)")
_TAGGED = re.compile(r"([A-Za-z0-9-]+)[ \t]*\((.+)\)[ \t]*=[ \t]*([0-9A-Fa-f]{32,128})")


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """``value``: hex, small letters."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


def is_url(checksum: str) -> bool:
    """Whether it says where the checksum is, not what it is."""
    return "://" in checksum


def parse(text: str, *, allow_md5: bool = False) -> Checksum:
    """``sha256:<hex>``, ``sha512:<hex>``, ``md5:<hex>``, or the hex alone, known by its length.

    Errors: InvalidRequest.
    """
    name, colon, value = text.strip().lower().rpartition(":")
    algorithm = name.replace("-", "") if colon else _BY_LENGTH.get(len(value), "")
    if LENGTHS.get(algorithm) != len(value) or not _HEX.fullmatch(value):
        raise InvalidRequest(
            "a checksum is sha256:<64 hex digits> or sha512:<128 hex digits>, those digits alone, or the URL of a "
            f"checksum file; this one has {len(value)} characters{f' after {name}:' if colon else ''}"
        )
    return _judged(Checksum(algorithm=algorithm, value=value), allow_md5)


def find(text: str, names: Collection[str], *, allow_md5: bool = False) -> Checksum:
    """The sum that a checksum file gives for a file of one of these names; a bare sum is for whatever is asked.

    Where several algorithms are given the strongest is taken. Errors: InvalidRequest.
    """
    found: list[Checksum] = []
    bare: list[Checksum] = []
    listed: list[str] = []
    for line in text.splitlines():
        known = _line(line.strip())
        if known is None:
            continue
        checksum, name = known
        if name is None:
            bare.append(checksum)
        elif name.rpartition("/")[2] in names:
            found.append(checksum)
        else:
            listed.append(name)
    candidates = found or (bare if not listed else [])
    if not candidates:
        told = f"it lists {', '.join(listed[:5])}{' …' if len(listed) > 5 else ''}" if listed else "it holds no sum"
        raise InvalidRequest(f"the checksum file has no sum for {' or '.join(sorted(names)) or 'the image'}: {told}")
    best = max(candidates, key=lambda each: LENGTHS[each.algorithm])
    if any(each.value != best.value for each in candidates if each.algorithm == best.algorithm):
        raise InvalidRequest("the checksum file has several sums for the image, and they differ")
    return _judged(best, allow_md5)


def _line(line: str) -> tuple[Checksum, str | None] | None:
    """→ the sum, and whose it is; None for a line that is none (comments, signatures, other algorithms)."""
    tagged = _TAGGED.fullmatch(line)
    if tagged:
        algorithm = tagged.group(1).lower().replace("-", "")
        return _made(algorithm, tagged.group(3), tagged.group(2))
    plain = _COREUTILS.fullmatch(line)
    if plain:
        return _made(_BY_LENGTH.get(len(plain.group(1)), ""), plain.group(1), plain.group(2).strip())
    name, colon, value = line.rpartition(":")
    algorithm = name.lower().replace("-", "") if colon else _BY_LENGTH.get(len(line), "")
    return _made(algorithm, value if colon else line, None)


def _made(algorithm: str, value: str, name: str | None) -> tuple[Checksum, str | None] | None:
    value = value.lower()
    if LENGTHS.get(algorithm) != len(value) or not _HEX.fullmatch(value):
        return None
    return Checksum(algorithm=algorithm, value=value), name


def _judged(checksum: Checksum, allow_md5: bool) -> Checksum:
    if checksum.algorithm == "md5" and not allow_md5:
        raise InvalidRequest(
            "md5 is no proof of what an image is: give its sha256 or sha512 (who runs the service may allow md5 by "
            "STEELYARD_ALLOW_MD5)"
        )
    return checksum
