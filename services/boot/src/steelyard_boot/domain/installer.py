"""An installer and what it is to install: what a node with the deploy interface ``anaconda`` is told (facts §9). Pure.

| key | instance_info, else driver_info |
| --- | --- |
| ``kernel``, ``ramdisk`` | the installer's own |
| ``stage2`` | its second stage, a squashfs; a tree brings its own |
| ``ks_template`` | the template of its kickstart; else the site's |
| ``image_source`` (instance_info) | an image (tarball, squashfs, disk image), or a tree: a URL that ends with a slash |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from steelyard_common.errors import InvalidRequest

from .artifacts import Artifact, Wish, name_of
from .boot_model import check_url
from .images import HTTP, LOCAL, WHOLE, Image, ImageRules, image

PARTS = ("kernel", "ramdisk", "stage2")
TEMPLATE = "ks_template"
SHA256 = "sha256"
# Root device hints that a kickstart can say, and how.
DISKS = {"name": "{}", "wwn": "disk/by-id/wwn-{}", "by_path": "{}"}


@dataclass(frozen=True, kw_only=True)
class Installer:
    """``wishes``: kernel, ramdisk, stage2, by name. ``image`` None: a tree, at ``tree``. ``template`` None: the site's.

    ``names``: what each was called where it was told, for errors.
    """

    wishes: Mapping[str, Wish]
    names: Mapping[str, str]
    template: Wish | None = None
    image: Image | None = None
    tree: str = field(default="", repr=False)
    root_disk: str = ""


def installer(node: Mapping[str, Any], rules: ImageRules) -> Installer:
    """``node``: NodeForProvider. Errors: InvalidRequest that names all that is missing, or what makes no sense."""
    info, driver_info = node.get("instance_info") or {}, node.get("driver_info") or {}
    source = str(info.get("image_source") or "")
    is_tree = source.endswith("/")
    needed = PARTS[:2] if is_tree else PARTS
    missing = [each for each in needed if not (info.get(each) or driver_info.get(each))]
    if missing or not source:
        keys = ", ".join([*missing, *([] if source else ["image_source"])])
        raise InvalidRequest(f"instance_info has no {keys}: the deploy interface 'anaconda' needs them")
    check_url(source)
    wishes = {part: _wish(node, part) for part in PARTS}
    found = {part: wish for part, wish in wishes.items() if wish is not None}
    names = {part: f"{_place(node, part)} {part}" for part in (*PARTS, TEMPLATE)} | {"image": "image_source"}
    template, disk = _wish(node, TEMPLATE), root_disk(node)
    if is_tree:
        return Installer(wishes=found, names=names, template=template, tree=source, root_disk=disk)
    made = _image(node, rules)
    return Installer(wishes=found, names=names, template=template, image=made, root_disk=disk)


def _place(node: Mapping[str, Any], name: str) -> str:
    return "instance_info" if (node.get("instance_info") or {}).get(name) else "driver_info"


def _wish(node: Mapping[str, Any], name: str) -> Wish | None:
    """What an instance brings is its project's; what the node names is its owner's, or the operator's."""
    place = _place(node, name)
    told = node.get(place) or {}
    if not told.get(name):
        return None
    is_projects = place == "instance_info"
    return Wish(
        url=str(told[name]), kind="kernel" if name == "kernel" else "ramdisk", checksum=told.get(f"{name}_checksum"),
        project=project_of(node) if is_projects else None, is_owners=not is_projects and bool(node.get("owner")),
    )  # fmt: skip


def project_of(node: Mapping[str, Any]) -> str | None:
    """Whose instance it is: what a tenant names may not come from inside."""
    return node.get("lessee") or node.get("owner")


def _image(node: Mapping[str, Any], rules: ImageRules) -> Image:
    """Who fetches it: the installer itself only what it can check by itself, from a place that asks nothing of it."""
    info = {**(node.get("instance_info") or {}), "image_type": WHOLE}
    found = image({**node, "instance_info": info}, rules)
    is_checked = found.by == HTTP and found.algorithm == SHA256
    is_open = not found.proxies and not node.get("sealed_instance")
    return found if is_checked and is_open else replace(found, by=LOCAL)


def image_url(made: Image, artifact: Artifact | None) -> tuple[str, str]:
    """→ (URL, sha256). The installer tells a tarball by its ending, so that of the source is kept."""
    if artifact is None:
        return made.source, str(made.digest)
    return f"{artifact.url.rpartition('/')[0]}/{name_of(made.source)}", artifact.sha256


def root_disk(node: Mapping[str, Any]) -> str:
    """Which disk alone is used; empty: nobody said. Errors: InvalidRequest for hints that a kickstart cannot say: all
    disks would be wiped instead."""
    instance, own = node.get("instance_info") or {}, node.get("properties") or {}
    hints = instance.get("root_device") or own.get("root_device") or {}
    if not hints:
        return ""
    name, value = next(iter(hints.items())) if isinstance(hints, Mapping) and len(hints) == 1 else ("", "")
    text = DISKS.get(name, "").format(str(value).removeprefix("s== ").removeprefix("/dev/"))
    if not text or not all(char.isalnum() or char in "-_.:/@+" for char in text):
        raise InvalidRequest(
            f"root_device must be one of {', '.join(DISKS)}, with its plain value, for the deploy interface "
            "'anaconda': an installer can be told no other, and without one it takes all disks"
        )
    return text
