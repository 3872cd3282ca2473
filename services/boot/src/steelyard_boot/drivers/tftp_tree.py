"""The folder that a TFTP server serves: boot loaders, and for each node with the boot interface ``pxe`` its
configuration under the names that GRUB and PXELINUX look for, kernel and ramdisk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from steelyard_common.errors import Unavailable, Unsupported

from ..domain import grub, pxelinux
from ..domain.boot_model import BootModel, File
from . import Storage
from .loaders import Loaders

MODE = 0o644


class TftpTree:
    """``key_of``: the artifact that an address leads to."""

    def __init__(self, root: Path, storage: Storage, loaders: Loaders, key_of: Callable[[str], str]) -> None:
        self._root, self._storage, self._loaders, self._key_of = root, storage, loaders, key_of

    def write_loaders(self) -> None:
        """Errors: Unavailable."""
        try:
            for folder in ("grub", "pxelinux.cfg", "boots", "nodes"):
                (self._root / folder).mkdir(parents=True, exist_ok=True)
            for name, file in self._loaders.all().items():
                _copy(file, self._root / name)
            for name in ("grub.cfg", "grub/grub.cfg"):
                _write(self._root / name, grub.entry())
            _write(self._root / "pxelinux.cfg" / "default", pxelinux.UNKNOWN)
        except OSError as error:
            raise Unavailable(f"the TFTP root {self._root} cannot be written: {error.strerror}") from error

    def write(self, node_uuid: str, macs: tuple[str, ...], model: BootModel) -> None:
        """What was there of the node is gone. Errors: Unavailable."""
        try:
            self.remove(node_uuid)
            folder = self._root / "boots" / model.boot_id
            folder.mkdir(exist_ok=True)
            for name, file in (("kernel", model.kernel), ("ramdisk", model.ramdisk)):
                if file is not None:
                    self._bring(file, folder / name)
            written = [str(folder.relative_to(self._root))]
            for name, text in self._configurations(macs, model).items():
                _write(self._root / name, text)
                written.append(name)
            _write(self._root / "nodes" / node_uuid, "\n".join(written) + "\n")
        except OSError as error:
            raise Unavailable(f"the TFTP root {self._root} cannot be written: {error.strerror}") from error

    def remove(self, node_uuid: str) -> None:
        """All that was written for the node."""
        note = self._root / "nodes" / node_uuid
        try:
            written = note.read_text().split("\n")
        except FileNotFoundError:
            return
        for name in filter(None, written):
            place = self._root / name
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)
        note.unlink(missing_ok=True)

    def _configurations(self, macs: tuple[str, ...], model: BootModel) -> dict[str, str]:
        def place(file: File) -> str:
            return f"/boots/{model.boot_id}/{'kernel' if file is model.kernel else 'ramdisk'}"

        found = {}
        try:
            by_grub = grub.config(model, place)
            by_pxelinux = pxelinux.config(model, lambda file: place(file).lstrip("/"))
        except Unsupported:
            return {}
        for name in grub.names(macs):
            found[name] = found[f"grub/{name}"] = by_grub
        for name in pxelinux.names(macs):
            found[f"pxelinux.cfg/{name}"] = by_pxelinux
        return found

    def _bring(self, file: File, to: Path) -> None:
        stored = self._storage.open(self._key_of(file.url))
        if stored is None:
            raise FileNotFoundError(2, "an artifact of this boot is not there any more")
        with stored.file as source, _draft(to).open("wb") as draft:
            shutil.copyfileobj(source, draft, 1 << 20)
        _place(to)


def _draft(place: Path) -> Path:
    return place.with_name(f".{place.name}.new")


def _place(place: Path) -> None:
    draft = _draft(place)
    draft.chmod(MODE)
    draft.rename(place)


def _copy(source: Path, to: Path) -> None:
    """Unless the same is there."""
    about = source.stat()
    if to.exists() and (to.stat().st_size, int(to.stat().st_mtime)) == (about.st_size, int(about.st_mtime)):
        return
    shutil.copyfile(source, _draft(to))
    os.utime(_draft(to), (about.st_atime, about.st_mtime))
    _place(to)


def _write(to: Path, text: str) -> None:
    _draft(to).write_text(text)
    _place(to)
