"""One boot of one machine: firmware finds something to start, and what that is runs until the power is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from ..agent.agent import Agent, Died
from ..agent.calls import Orders
from ..installer import anaconda
from ..installer.anaconda import Anaconda
from ..machine import Machine
from ..web import FetchFailed, Web
from . import cd
from .expanding import Settings
from .ipxe import Broken, Image, Ipxe, Kernel, Outcome, OwnDisk, Reboot
from .world import World

POST_S, KERNEL_S = (15.0, 30.0), (8.0, 15.0)
# A network, or a BMC's disc, that does not answer is tried again before the firmware goes on with its boot order: what
# servers call "boot sequence retry" (Dell) or "network boot retry" (HPE), and can switch off.
AGAIN_S, TRIES = (5.0, 10.0), 20
T = TypeVar("T")
NOTHING = "nothing that boots"
LOCAL = ("Hdd", "None", "Usb")
NETWORK = ("Pxe", "UefiHttp")


class Life:
    """``bmc_address``: as software on the machine reads it; on loopback the machine's own address, too."""

    def __init__(self, machine: Machine, world: World, bmc_address: str | None) -> None:
        self._machine, self._bmc_address = machine, bmc_address
        self._world = replace(world, web=Web(bmc_address or ""))

    async def run(self) -> None:
        """Until it is cancelled, or nothing more happens on this machine by itself."""
        machine = self._machine
        machine.stage = "firmware"
        await self._world.spend(*POST_S)
        device = machine.booted.device if machine.booted else "Hdd"
        try:
            if device == "Cd" or (device == "UefiHttp" and machine.boot.http_uri):
                await self._media(device)
            elif device in NETWORK:
                await self._network()
            elif device in LOCAL:
                await self._disk(or_else=self._network)
            else:
                machine.stage = f"waits at {device}"
        except Died as death:
            machine.stage = f"a ramdisk whose agent died: {death}"
        finally:
            await self._world.web.close()

    # ---- devices

    async def _disk(self, or_else: Callable[[], object] | None = None) -> None:
        if self._machine.disk.boots:
            await self._world.spend(*KERNEL_S)
            self._machine.stage = self._machine.disk.shows
        elif or_else is not None:
            await self._network(is_last=True)
        else:
            self._machine.stage = NOTHING

    async def _network(self, *, is_last: bool = False) -> None:
        """iPXE. What has no network, or leaves it to the firmware, goes on with the disk."""
        machine = self._machine
        machine.stage = "boots over the network"
        if not self._world.boot_url or machine.faults.no_network:
            self._keep("DHCP", "no answer")
        else:
            try:
                outcome = await self._patiently(self._ipxe)
            except FetchFailed as error:
                self._keep("first script", str(error))
                outcome = OwnDisk()
            if not isinstance(outcome, OwnDisk):
                await self._go_on(outcome)
                return
        if is_last:
            machine.stage = NOTHING
        else:
            await self._disk()

    async def _ipxe(self) -> Outcome:
        """Raises FetchFailed."""
        identity = self._machine.identity
        settings = Settings(uuid=identity.uuid, macs=identity.macs, is_efi=self._machine.boot.mode == "UEFI")
        return await Ipxe(settings, self, self._world.spend).run(self._world.boot_url)

    async def _patiently(self, boot: Callable[[], Awaitable[T]]) -> T:
        """Raises FetchFailed at the last try."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(FetchFailed):
                return await boot()
            await self._world.spend(*AGAIN_S)
        return await boot()

    async def _go_on(self, outcome: Kernel | Image | Reboot | Broken) -> None:
        match outcome:
            case Kernel(arguments=arguments):
                await self._kernel(arguments, {})
            case Image(url=url) if urlsplit(url).scheme in ("http", "https"):
                await self._discs([url])
            case Image(url=url):
                await self._world.spend(*KERNEL_S)
                self._machine.stage = f"volume {url}"
            case Reboot():
                self._machine.restart(self._world.clock())
            case Broken(reason=reason):
                self._machine.stage = f"boot failed: {reason}"

    async def _media(self, device: str) -> None:
        slots = self._machine.slots
        urls = [self._machine.boot.http_uri] if device == "UefiHttp" else [slots["Cd"].image, slots["Usb"].image]
        self._machine.stage = "boots from a CD"
        if not urls[0]:
            await self._disk()
            return
        await self._discs([url for url in urls if url])

    async def _discs(self, urls: list[str]) -> None:
        """The first is booted; what an agent has to know may be on any."""
        arguments, parameters = "", dict[str, str]()
        for number, url in enumerate(urls):
            try:
                disc = await self._patiently(partial(self._disc, url))
            except FetchFailed as error:
                self._machine.stage = f"boot failed: the disc cannot be read: {error}"
                return
            arguments = arguments if number else disc.arguments
            parameters |= disc.parameters
        await self._kernel(arguments, parameters)

    async def _disc(self, url: str) -> cd.Disc:
        """Raises FetchFailed."""
        with cd.new_file() as file:
            await self._read(url, file.write)
            return await asyncio.to_thread(cd.look, file)

    async def _kernel(self, arguments: str, parameters: dict[str, str]) -> None:
        machine = self._machine
        machine.stage = "a ramdisk starts"
        await self._world.spend(*KERNEL_S)
        orders, install = Orders.of(arguments, parameters), anaconda.Orders.of(arguments)
        if install is not None:
            machine.stage = "an installer"
            machine.stage = await Anaconda(machine, self._world, install, self._keep_installer).run()
        elif orders is None:
            machine.stage = "an instance in memory"
        elif machine.faults.agent_silent:
            machine.stage = "a ramdisk whose agent says nothing"
        else:
            machine.stage = "agent"
            machine.stage = await Agent(machine, self._world, orders, self._bmc_address).run()

    # ---- the fetcher of iPXE

    async def text(self, url: str) -> str:
        """Raises FetchFailed."""
        chunks: list[bytes] = []
        await self._read(url, chunks.append)
        return b"".join(chunks).decode(errors="replace")

    async def discard(self, url: str) -> int:
        """Raises FetchFailed."""
        return await self._read(url)

    async def _read(self, url: str, take: Callable[[bytes], object] | None = None) -> int:
        path, began = urlsplit(url).path, self._world.clock()
        try:
            count = await self._world.web.read(url, take)
        except FetchFailed as error:
            self._keep(f"GET {path}", str(error))
            raise
        self._keep(f"GET {path}", f"{count} bytes in {self._world.clock() - began:.3f} s")
        return count

    def _keep_installer(self, operation: str, outcome: str) -> None:
        self._world.record.add(self._machine.identity.name, "installer", operation[:120], outcome)

    def _keep(self, operation: str, outcome: str) -> None:
        self._world.record.add(self._machine.identity.name, "boot", operation[:120], outcome)
