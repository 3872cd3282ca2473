"""Boot loaders on this machine: a folder of the operator's first, then where distributions install them."""

from __future__ import annotations

from pathlib import Path

from steelyard_common.errors import NotFound

from ..domain.loaders import FOUND, check_name


class Loaders:
    """``folder``: empty for none."""

    def __init__(self, folder: str = "") -> None:
        self._folder = Path(folder) if folder else None

    def find(self, name: str) -> Path:
        """Errors: InvalidRequest for no file's name, NotFound with where it was looked for."""
        check_name(name)
        own = [self._folder / name] if self._folder else []
        places = [*own, *map(Path, FOUND.get(name, ()))]
        for place in places:
            if place.is_file():
                return place
        where = ", ".join(map(str, places)) or "STEELYARD_LOADERS_FOLDER, which is not set"
        raise NotFound(f"the boot loader {name} is not installed; looked for in {where}")

    def all(self) -> dict[str, Path]:
        """Every loader that is here, by name."""
        names = set(FOUND)
        if self._folder and self._folder.is_dir():
            names |= {item.name for item in self._folder.iterdir() if item.is_file() and not item.name.startswith(".")}
        found = {}
        for name in sorted(names):
            try:
                found[name] = self.find(name)
            except NotFound:
                continue
        return found
