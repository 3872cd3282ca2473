"""ISO 9660 images, by pycdlib: small ones with a node's own files, and ones that boot by BIOS and UEFI (El Torito)."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException
from steelyard_common.errors import InvalidRequest

UEFI_PLATFORM = 0xEF
MODE = 0o100444
FOLDER_MODE = 0o040555
# What pycdlib raises for images that somebody broke: its own errors, and those of what it trips over (1.22).
BROKEN = (PyCdlibException, struct.error, ValueError, AttributeError, LookupError, OverflowError)


@dataclass(frozen=True, kw_only=True)
class BootImages:
    """What firmware starts from a CD. ``esp``: a FAT image for UEFI; ``isolinux``: isolinux.bin and ldlinux.c32."""

    esp: bytes | None = None
    isolinux: tuple[bytes, bytes] | None = field(default=None, repr=False)


def files_image(label: str, files: Mapping[str, bytes]) -> bytes:
    """A small image of these files (path → content)."""
    out = io.BytesIO()
    with _Disc(label) as disc:
        for path, content in sorted(files.items()):
            disc.add(path, io.BytesIO(content), len(content))
        disc.write(out)
    return out.getvalue()


def files_of(image: bytes, most: int) -> dict[str, bytes]:
    """Path → content of all files of an image; ``most``: bytes of all together. Errors: InvalidRequest."""
    disc, found, left = pycdlib.PyCdlib(), dict[str, bytes](), most
    try:
        disc.open_fp(io.BytesIO(image))
        kind = "rr_path" if disc.has_rock_ridge() else "joliet_path" if disc.has_joliet() else "iso_path"
        for folder, _, names in disc.walk(**{kind: "/"}):
            for name in names:
                out, path = io.BytesIO(), f"{folder.rstrip('/')}/{name}"
                left -= disc.get_record(**{kind: path}).get_data_length()
                if left < 0:
                    raise InvalidRequest(f"its files have more than {most} bytes")
                disc.get_file_from_iso_fp(out, **{kind: path})
                found[path.lstrip("/").partition(";")[0]] = out.getvalue()
        disc.close()
    except BROKEN as error:
        raise InvalidRequest("it is no ISO 9660 image that can be read") from error
    return found


def bootable(
    label: str, large: Mapping[str, BinaryIO], small: Mapping[str, bytes], images: BootImages, to: Path
) -> None:
    """An image that boots. ``large``: files that are copied from where they lie. Written to ``to``.

    Errors: InvalidRequest for parts that do not go on a CD, OSError.
    """
    with _Disc(label) as disc:
        for path, source in sorted(large.items()):
            disc.add(path, source, _size(source))
        for path, content in sorted(small.items()):
            disc.add(path, io.BytesIO(content), len(content))
        if images.isolinux is not None:
            disc.add_isolinux(*images.isolinux)
        if images.esp is not None:
            disc.add_esp(images.esp, is_second=images.isolinux is not None)
        with to.open("wb") as out:
            disc.write(out)


def _size(source: BinaryIO) -> int:
    source.seek(0, io.SEEK_END)
    size = source.tell()
    source.seek(0)
    return size


def _parent(path: PurePosixPath) -> str:
    return "" if str(path.parent) == "." else str(path.parent)


class _Disc:
    """pycdlib with paths as people write them: Rock Ridge and Joliet keep them, ISO 9660 has made-up ones of 8.3."""

    def __init__(self, label: str) -> None:
        self._iso = pycdlib.PyCdlib()
        self._label = label
        self._folders: dict[str, str] = {"": ""}
        self._count = 0

    def __enter__(self) -> _Disc:
        self._iso.new(vol_ident=self._label, rock_ridge="1.09", joliet=3)
        return self

    def __exit__(self, *_: object) -> None:
        self._iso.close()

    def add(self, path: str, source: BinaryIO, size: int) -> str:
        """→ its name in plain ISO 9660"""
        where = PurePosixPath(path)
        iso_path = f"{self._folder(_parent(where))}/{self._short()}.;1"
        try:
            self._iso.add_fp(source, size, iso_path, rr_name=where.name, joliet_path=f"/{where}", file_mode=MODE)
        except PyCdlibException as error:
            raise InvalidRequest(f"{path} does not go on a CD: {error}") from error
        return iso_path

    def add_isolinux(self, loader: bytes, library: bytes) -> None:
        self.add("isolinux/ldlinux.c32", io.BytesIO(library), len(library))
        boot = self.add("isolinux/isolinux.bin", io.BytesIO(loader), len(loader))
        self._iso.add_eltorito(
            boot, "/BOOT.CAT;1", rr_bootcatname="boot.cat", joliet_bootcatfile="/boot.cat", boot_load_size=4,
            boot_info_table=True,
        )  # fmt: skip

    def add_esp(self, esp: bytes, *, is_second: bool) -> None:
        boot = self.add("boot/efi.img", io.BytesIO(esp), len(esp))
        if is_second:
            self._iso.add_eltorito(boot, efi=True, platform_id=UEFI_PLATFORM)
        else:
            self._iso.add_eltorito(
                boot, "/BOOT.CAT;1", rr_bootcatname="boot.cat", joliet_bootcatfile="/boot.cat", efi=True,
                platform_id=UEFI_PLATFORM,
            )  # fmt: skip

    def write(self, out: BinaryIO) -> None:
        self._iso.write_fp(out)

    def _folder(self, path: str) -> str:
        if path in self._folders:
            return self._folders[path]
        where = PurePosixPath(path)
        iso_path = f"{self._folder(_parent(where))}/{self._short()}"
        self._iso.add_directory(iso_path, rr_name=where.name, joliet_path=f"/{where}", file_mode=FOLDER_MODE)
        self._folders[path] = iso_path
        return iso_path

    def _short(self) -> str:
        self._count += 1
        return f"F{self._count:07d}"
