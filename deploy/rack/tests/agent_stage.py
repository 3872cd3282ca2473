"""A rack in this process, and a boot service and an API of a few lines for its machines to call."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from steelyard_rack.agent.answers import VERSION
from steelyard_rack.faults import changed
from steelyard_rack.hardware import Timings
from steelyard_rack.machine import Action, Machine
from steelyard_rack.plan import Plan
from steelyard_rack.rack import Rack

DEADLINE_S = 60.0
IMAGE = b"an image" * 1000
SUM = hashlib.sha256(IMAGE).hexdigest()
FAST = Timings(power_on_s=(0.01, 0.01), power_off_s=(0.01, 0.01), soft_off_s=(0.01, 0.01))


@dataclass
class Outside:
    """What machines call. ``beats``: bodies of heartbeats; ``addresses``: of lookups; ``deaf``: for so many call-backs
    of an inspection; ``away``: for so many that ask for their first script."""

    url: str = ""
    token: str = "t" * 43
    beats: list[dict[str, Any]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    more_arguments: str = ""
    deaf: int = 0
    away: int = 0

    async def script(self, _request: web.Request) -> web.Response:
        if self.away:
            self.away -= 1
            return web.Response(status=503)
        lines = ["#!ipxe", f"kernel --name kernel /file ipa-api-url={self.url} {self.more_arguments}", "boot"]
        return web.Response(text="\n".join(lines))

    async def file(self, _request: web.Request) -> web.Response:
        return web.Response(body=IMAGE)

    async def lookup(self, request: web.Request) -> web.Response:
        self.addresses.append(request.query["addresses"])
        config = {"heartbeat_timeout": 300, "agent_token": self.token}
        return web.json_response({"node": {"uuid": "n-1"}, "config": config})

    async def heartbeat(self, request: web.Request) -> web.Response:
        self.beats.append(await request.json())
        return web.Response(status=202)

    async def inspection(self, request: web.Request) -> web.Response:
        if self.deaf:
            self.deaf -= 1
            return web.Response(status=404)
        self.found.append(await request.json())
        return web.json_response({"uuid": "n-1"}, status=202)


@dataclass
class Stage:
    rack: Rack
    outside: Outside
    session: aiohttp.ClientSession

    @property
    def machine(self) -> Machine:
        return self.rack.units["rack-0001"].machine

    def fault(self, **faults: object) -> None:
        self.machine.set_faults(changed(self.machine.faults, faults), self.rack.clock())

    def boot(self, device: str = "Pxe") -> None:
        self.machine.boot.target, self.machine.boot.enabled = device, "Once"
        self.machine.act(Action.ON, self.rack.clock())

    async def agent(self) -> None:
        """It boots and is heard of."""
        self.boot()
        await until(lambda: bool(self.outside.beats))

    async def run(self, name: str, *, wait: bool = True, token: str | None = None, **params: Any) -> tuple[int, Any]:
        beat = self.outside.beats[-1]
        context = ssl.create_default_context(cadata=beat["agent_verify_ca"])
        query = {"wait": str(wait).lower(), "agent_token": token or beat["agent_token"]}
        url = f"{beat['callback_url']}/v1/commands/"
        body = {"name": name, "params": params}
        async with self.session.post(url, json=body, params=query, ssl=context) as answer:
            return answer.status, await answer.json()

    async def step(self, step: str, **args: Any) -> tuple[int, Any]:
        return await self.run("deploy.execute_deploy_step", step={"step": step, "args": args}, deploy_version=VERSION)

    async def reaches(self, stage: str) -> None:
        await until(lambda: self.machine.stage == stage)

    async def without_power(self) -> None:
        """What was on its way when the cord was pulled has come, and is forgotten."""
        self.machine.pull_power(self.rack.clock())
        await self.gone()
        self.outside.beats.clear()

    async def gone(self) -> None:
        """Soon nobody answers where the agent was."""
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(aiohttp.ClientError):
                while True:
                    await self.run("standby.sync")

    def seen(self, protocol: str = "agent") -> list[tuple[str, str]]:
        return [(each.operation, each.outcome) for each in self.rack.record.entries() if each.protocol == protocol]


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not check():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def stage(**plan: Any) -> AsyncIterator[Stage]:
    outside = Outside()
    app = web.Application()
    app.router.add_get("/boot.ipxe", outside.script)
    app.router.add_get("/file", outside.file)
    app.router.add_get("/v1/lookup", outside.lookup)
    app.router.add_post("/v1/heartbeat/n-1", outside.heartbeat)
    app.router.add_post("/found", outside.inspection)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    outside.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    given = {"boot_url": f"{outside.url}/boot.ipxe", "pace": 0.001, "timings": FAST, **plan}
    rack = Rack(Plan(machines=2, redfish_port=0, ipmi_port=0, base_address="127.0.0.1", **given))
    await rack.open()
    try:
        async with aiohttp.ClientSession() as session:
            yield Stage(rack, outside, session)
    finally:
        await rack.close()
        await runner.cleanup()


def on_stage(test: Callable[[Stage], Awaitable[None]]) -> Callable[[], None]:
    """A test that runs in an event loop."""

    def run() -> None:
        async def inside() -> None:
            async with stage() as made:
                await test(made)

        asyncio.run(inside())

    return run
