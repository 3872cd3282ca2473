"""GRUB: what the configuration on the instance's disk starts when nobody touches its menu."""

from __future__ import annotations

import re

from steelyard_agent import bls
from steelyard_agent.entry import Entry
from steelyard_agent.grub_run import Run
from steelyard_agent.grub_state import LOADER, Grub, Item
from steelyard_agent.volumes import Volume, Volumes

# Where distributions write it; with a /boot of its own the first word is missing; btrfs: in a subvolume named @….
PLACES = ("boot/grub", "boot/grub2", "grub", "grub2", "@/boot/grub", "@/boot/grub2", "@rootfs/boot/grub")
# What configurations ask for before they use it.
FEATURES = ("menuentry_id", "platform_search_hint", "default_font_path", "timeout_style", "all_video_module")
SUBMENUS_AT_MOST = 5


def default_entry(volumes: Volumes, *, is_efi: bool) -> Entry | None:
    """None: no configuration with anything to start. Errors: CannotStart, from the first that has something."""
    for volume, folder in _places(volumes, is_efi=is_efi):
        run = Run(Grub(volumes, _variables(volume, folder, is_efi=is_efi)))
        run.file(f"/{folder.lstrip('/')}/grub.cfg")
        if run.grub.menu or run.grub.kernel:
            return _chosen(run)
    return None


def _places(volumes: Volumes, *, is_efi: bool) -> list[tuple[Volume, str]]:
    """With EFI the file beside the loader comes first: it leads to the right one where there are several."""
    beside = [
        (each, folder)
        for each in volumes
        for folder in each.names("EFI", "*")
        if each.file(f"{folder}/grub.cfg")
    ]  # fmt: skip
    usual = [(each, place) for each in volumes for place in PLACES if each.file(f"{place}/grub.cfg")]
    return beside + usual if is_efi else usual + beside


def _variables(volume: Volume, folder: str, *, is_efi: bool) -> dict[str, str]:
    return {
        "root": volume.grub_name,
        "prefix": f"({volume.grub_name})/{folder.lstrip('/')}",
        "config_directory": f"({volume.grub_name})/{folder.lstrip('/')}",
        "grub_platform": "efi" if is_efi else "pc",
        **{f"feature_{name}": "y" for name in FEATURES},
    }


def _chosen(run: Run) -> Entry:
    """``default`` names an entry, or by ``>`` one in a submenu. Errors: CannotStart."""
    grub = run.grub
    wanted = re.split(r"(?<!>)>(?!>)", grub.value("default"))
    for depth in range(SUBMENUS_AT_MOST):
        if not grub.menu:
            break
        item = _pick(grub.menu, wanted[depth].replace(">>", ">") if depth < len(wanted) else "")
        if item.entry:
            return bls.start(item.entry, LOADER, grub.variables)
        grub.menu = []
        grub.variables["chosen"] = item.title
        run.block(item.block, item.arguments)
    return grub.entry()


def _pick(menu: list[Item], name: str) -> Item:
    """By number, title or id; the first where there is none, as GRUB does."""
    if name.isdigit() and int(name) < len(menu):
        return menu[int(name)]
    return next((each for each in menu if name and name in (each.title, each.id)), menu[0])
