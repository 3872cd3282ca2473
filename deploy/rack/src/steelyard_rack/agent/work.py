"""What an agent does with its machine: a function for each step and command, with the time it takes real ones.

Seconds are those of a small server with one SSD; ``World.pace`` scales them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..boot.world import World
from ..disk import IMAGE
from ..machine import Machine
from ..web import FetchFailed
from .answers import KEXEC, CommandFailed

WIPE_S, ERASE_S, LOADER_S, STEP_S = (2.0, 4.0), (20.0, 60.0), (3.0, 6.0), (1.0, 3.0)
PREPARE_S, AFTER_IMAGE_S, LOAD_S = (1.0, 2.0), (2.0, 4.0), (1.0, 3.0)
LENGTHS = {32: "md5", 64: "sha256", 128: "sha512"}
Params = Mapping[str, Any]
Work = Callable[[Machine, World, Params], Awaitable[Any]]  # → what it tells besides


class WorkFailed(CommandFailed):
    """A command failed; the text is what the agent says of it."""


async def wipe(machine: Machine, world: World, _args: Params) -> None:
    await world.spend(*WIPE_S)
    machine.disk.wipe(world.now(), whole=False)


async def erase(machine: Machine, world: World, _args: Params) -> None:
    await world.spend(*ERASE_S)
    machine.disk.wipe(world.now(), whole=True)


async def write_image(machine: Machine, world: World, args: Params) -> None:
    """``args``: {image_info, configdrive}. The image is read to its last byte and checked, as the real one does."""
    info = args.get("image_info") or {}
    algorithm, wanted = await _sum(world, info)
    await world.spend(*PREPARE_S)
    machine.disk.spoil()
    source, size, found, sha256 = await _download(world, info, algorithm)
    if wanted and found != wanted:
        raise WorkFailed(
            f"Image failed to verify against checksum. location: /dev/sda; image ID: {info.get('id')}; image checksum: "
            f"{wanted}; verification checksum: {found}"
        )
    await world.spend(*AFTER_IMAGE_S)
    machine.disk.write(sha256, size, source, str(info.get("node_uuid") or "") or None, world.now())
    machine.disk.configdrive = bool(args.get("configdrive") or info.get("configdrive"))


async def _sum(world: World, info: Params) -> tuple[str, str]:
    """→ (algorithm, hex digits). Raises WorkFailed."""
    if info.get("os_hash_algo") and info.get("os_hash_value"):
        return str(info["os_hash_algo"]), str(info["os_hash_value"])
    told = str(info.get("checksum") or "")
    if told.startswith(("http://", "https://")):
        try:
            words = (await world.web.text(told)).split()
        except FetchFailed as error:
            raise WorkFailed(f"Error downloading image: checksum file {told}: {error}") from error
        told = next((word for word in words if len(word) in LENGTHS), "")
    return LENGTHS.get(len(told), "sha256"), told.lower()


async def _download(world: World, info: Params, algorithm: str) -> tuple[str, int, str, str]:
    """From the first address that works. → (address, bytes, sum, sha256). Raises WorkFailed."""
    reasons = []
    for url in info.get("urls") or []:
        wanted, sha256 = hashlib.new(algorithm), hashlib.sha256()

        def take(chunk: bytes, sums: tuple[Any, ...] = (wanted, sha256)) -> None:
            for each in sums:
                each.update(chunk)

        try:
            size = await world.web.read(url, take)
        except FetchFailed as error:
            reasons.append(f"Download of image {info.get('id')} failed: URL: {url.partition('?')[0]}; {error}")
        else:
            return url.partition("?")[0], size, wanted.hexdigest(), sha256.hexdigest()
    raise WorkFailed(f"Error downloading image: {'; '.join(reasons) or 'no address was given'}")


async def install_loader(_machine: Machine, world: World, _args: Params) -> None:
    await world.spend(*LOADER_S)


async def load_kernel(machine: Machine, world: World, _args: Params) -> dict[str, str]:
    await world.spend(*LOAD_S)
    if machine.disk.holds != IMAGE:
        raise WorkFailed("no partition of the disk has a boot loader's configuration")
    return {"kernel": "/boot/vmlinuz", "initrd": "/boot/initrd.img", "arguments": "root=/dev/sda1"}


async def some_step(_machine: Machine, world: World, _args: Params) -> None:
    """One that takes its time and leaves nothing that could be seen."""
    await world.spend(*STEP_S)


STEPS: Mapping[str, Work] = {
    "erase_devices_metadata": wipe,
    "erase_devices_express": wipe,
    "erase_devices": erase,
    "write_image": write_image,
    KEXEC: load_kernel,
}
COMMANDS: Mapping[str, Work] = {
    "standby.prepare_image": write_image,
    "standby.execute_bootc_install": some_step,
    "image.install_bootloader": install_loader,
}
