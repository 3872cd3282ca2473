"""One installation on a simulated machine: what dracut fetches, what Anaconda then says, writes, and how it ends."""

from __future__ import annotations

import asyncio
import configparser
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from ..boot.world import World
from ..machine import Machine
from ..web import FetchFailed
from . import kickstart, shell
from .kickstart import BadKickstart, Kickstart

LOAD_S, PARTITION_S, COPY_S, LOADER_S = (5.0, 15.0), (5.0, 10.0), (10.0, 30.0), (5.0, 10.0)
TRIES, PAUSE_S = 6, 10.0
DRIVE = "/var/lib/cloud/seed/config_drive/"
VERSION = "x-openstack-ironic-api-version"
MAIN_IMAGE = "LiveOS/squashfs.img"
Keep = Callable[[str, str], None]


class Failed(Exception):
    """The installation cannot go on; the text stands in its log."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What an installer was started with. ``names_nics``: whoever has the kickstart is told all MAC addresses."""

    kickstart: str
    stage2: str
    names_nics: bool

    @classmethod
    def of(cls, arguments: str) -> Orders | None:
        """From the kernel's command line; None: this is no installer."""
        words = arguments.split()
        told = {name: value for name, equals, value in (word.partition("=") for word in words) if equals}
        if not told.get("inst.ks"):
            return None
        stage2 = told.get("inst.stage2") or told.get("inst.repo", "")
        return cls(kickstart=told["inst.ks"], stage2=stage2.rstrip("/"), names_nics="inst.ks.sendmac" in words)


class Anaconda:
    """``keep``: takes (what was done, what came of it) for the record."""

    def __init__(self, machine: Machine, world: World, orders: Orders, keep: Keep) -> None:
        self._machine, self._world, self._orders, self._keep = machine, world, orders, keep

    async def run(self) -> str:
        """→ what is left running."""
        try:
            told = kickstart.read(await self._kickstart())
            await self._stage2()
        except (FetchFailed, BadKickstart) as error:
            return f"an installer that could not begin: {error}"
        await self._world.spend(*LOAD_S)
        await self._scripts(told, "%pre")
        try:
            await self._install(told)
        except (Failed, FetchFailed) as error:
            await self._scripts(told, "%onerror", log=str(error))
            return f"an installer that failed: {error}"
        await self._scripts(told, "%post")
        return self._end(told.ending)

    # ---- what dracut does

    async def _kickstart(self) -> str:
        """Raises FetchFailed."""
        macs = self._machine.identity.macs if self._orders.names_nics else ()
        headers = {f"X-RHN-Provisioning-MAC-{number}": f"eth{number} {mac}" for number, mac in enumerate(macs)}
        return await self._text(self._orders.kickstart, headers)

    async def _stage2(self) -> None:
        """Where the tree says that it is, else where it usually is. Raises FetchFailed."""
        image = MAIN_IMAGE
        try:
            info = configparser.ConfigParser()
            info.read_string(await self._text(f"{self._orders.stage2}/.treeinfo"))
            image = info.get("stage2", "mainimage", fallback=image)
        except (FetchFailed, configparser.Error):
            pass
        await self._read(f"{self._orders.stage2}/{image}")

    # ---- what Anaconda does

    async def _install(self, told: Kickstart) -> None:
        """Raises Failed, FetchFailed."""
        machine, world = self._machine, self._world
        if machine.faults.installer_fails:
            raise Failed(machine.faults.installer_fails)
        image, tree = told.commands.get("liveimg"), told.commands.get("url")
        source = (image or tree or {}).get("url", "")
        if not source:
            raise Failed("nothing to install from: the kickstart has neither liveimg nor url")
        await world.spend(*PARTITION_S)
        machine.disk.spoil()
        total = hashlib.sha256()
        size = await self._read(source if image is not None else f"{source.rstrip('/')}/.treeinfo", total.update)
        sha256 = total.hexdigest()
        wanted = (image or {}).get("checksum", "")
        if wanted and wanted != sha256:
            raise Failed("The checksum of the image does not match")
        await world.spend(*COPY_S)
        await world.spend(*LOADER_S)
        machine.disk.write(sha256, size, source, None, world.now())

    async def _scripts(self, told: Kickstart, *sections: str, log: str = "") -> None:
        for script in told.of(*sections):
            for deed in shell.deeds(script, log):
                if isinstance(deed, shell.Call):
                    await self._call(deed)
                else:
                    self._machine.disk.configdrive |= deed.path.startswith(DRIVE)
                    self._keep(f"writes {deed.path}", f"{len(deed.content)} bytes")

    async def _call(self, call: shell.Call) -> None:
        try:
            body = orjson.loads(call.data) if call.data else None
        except orjson.JSONDecodeError:
            body = call.data
        said = body.get("agent_status", "") if isinstance(body, dict) else ""
        for _ in range(TRIES if call.is_repeated else 1):
            for url in (call.url, *call.others):
                answer = await self._world.web.call(call.method, url, body, call.headers.get(VERSION, ""))
                self._keep(f"calls {said}".strip(), str(answer.status or "no answer"))
                if 200 <= answer.status < 300:
                    return
            await self._world.spend(PAUSE_S)

    def _end(self, ending: str) -> str:
        """The machine goes down, or starts anew, a moment later."""
        machine, clock = self._machine, self._world.clock
        deeds = {"poweroff": machine.shut_down, "shutdown": machine.shut_down, "reboot": machine.restart}
        if ending in deeds:
            asyncio.get_running_loop().call_later(0.1, lambda: deeds[ending](clock()))
        return "an installer that is done"

    async def _text(self, url: str, headers: dict[str, str] | None = None) -> str:
        """Raises FetchFailed."""
        chunks: list[bytes] = []
        await self._read(url, chunks.append, headers)
        return b"".join(chunks).decode(errors="replace")

    async def _read(
        self, url: str, take: Callable[[bytes], object] | None = None, headers: dict[str, str] | None = None
    ) -> int:
        """→ how many bytes. Raises FetchFailed."""
        name = url.rpartition("/")[2]  # what stands before it may be a secret
        try:
            count = await self._world.web.read(url, take, headers)
        except FetchFailed as error:
            self._keep(f"fetches {name}", str(error))
            raise
        self._keep(f"fetches {name}", f"{count} bytes")
        return count
