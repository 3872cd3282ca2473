"""The agent of one simulated machine, from its start until the machine is switched off, or it dies."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from typing import Any

from ..boot.world import World
from ..machine import Machine
from . import findings, work
from .answers import KEXEC, KINDS, SYNC, VERSION, Answer, CommandFailed, steps
from .calls import MASK, Home, Orders
from .desk import FAILED, MISMATCH, SUCCEEDED, Desk, Reply
from .work import WorkFailed

RETRY_S, FIRST_LOOK_S, LONGEST_LOOK_S = (5.0, 10.0), 1.0, 10.0
BEATS_AT = (0.3, 0.6)  # of the time after which it would be taken for dead
START_S = 1.0  # from the answer to the start of an instance
# A real one tries its inspection call-back five times. The API keeps its own time, whatever the pace of machines.
PATIENCE_S = 30.0


class Died(Exception):
    """The agent's process is no more; its machine stays on."""


class Agent:
    """``bmc_address``: as the agent reads it of its BMC."""

    def __init__(self, machine: Machine, world: World, orders: Orders, bmc_address: str | None) -> None:
        self.machine, self._world, self._orders, self._bmc_address = machine, world, orders, bmc_address
        self._home = Home(web=world.web, api=orders.api, told=self._told)
        self.desk = Desk(token=orders.token, sync=self._sync(), begun=self._begun)
        self._lines: list[str] = ["agent 13.0.0 started"]
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._soon = asyncio.Event()
        self._over = asyncio.Event()
        self._node = ""
        self._beats_s = 300.0
        self._has_kernel = False

    async def run(self) -> str:
        """→ what is left running when it serves no more. Raises Died."""
        name = self.machine.identity.name
        try:
            if self._orders.inspection_url:
                await self._tell_found()
            await self._look_up()
            url = self._world.listener.enter(name, self)
            beating = asyncio.ensure_future(self._beat(url))
            over = asyncio.ensure_future(self._over.wait())
            try:
                await asyncio.wait([beating, over], return_when=asyncio.FIRST_COMPLETED)
                if beating.done():
                    beating.result()
            finally:
                await _end(beating, over)
            return self.machine.stage
        finally:
            self._world.listener.leave(name, self)
            await _end(*self._tasks.values())

    # ---- calls home

    async def _tell_found(self) -> None:
        found = findings.inventory(self.machine, self._bmc_address)
        end = self._world.clock() + PATIENCE_S
        while True:
            answer = await self._home.tell_found(self._orders.inspection_url, found)
            if answer.status == 202:
                self._node = str((answer.body or {}).get("uuid") or "")
                return
            if self._world.clock() > end:
                return
            await self._world.spend(*RETRY_S)

    async def _look_up(self) -> None:
        """Until it is expected. Raises Died when it is told of a token that it has not."""
        wait_s = FIRST_LOOK_S
        macs = self._macs()
        while True:
            answer = await self._home.look_up(macs, self._node or None)
            if answer.status == 200:
                break
            await self._world.spend(wait_s)
            wait_s = min(wait_s * 1.5, LONGEST_LOOK_S)
        config = answer.body["config"]
        self._node, self._beats_s = answer.body["node"]["uuid"], float(config["heartbeat_timeout"])
        token = config.get("agent_token")
        if token and token != MASK:
            self.desk.token = token
        if not self.desk.token:
            raise Died("the token of this boot was given to somebody else")
        self._wear_faults()

    def _macs(self) -> tuple[str, ...]:
        other = self.machine.faults.agent_of
        return self._world.macs_of(other) if other else self.machine.identity.macs

    def _wear_faults(self) -> None:
        """A token that is not its own, or that of the boot before; who is next may wear this one."""
        kind = self.machine.faults.agent_token
        mine, before = self.desk.token, self.machine.last_token
        self.machine.last_token = mine
        if kind == "wrong":
            self.desk.token = "x" * len(mine)
        elif kind == "replayed" and before:
            self.desk.token = before

    async def _beat(self, url: str) -> None:
        while True:
            self._dies_at("heartbeat")
            self._soon.clear()
            answer = await self._home.beat(self._node, url, self.desk.token, self._world.listener.verify_ca)
            is_good = answer.status == 202
            low, high = (self._beats_s * part for part in BEATS_AT) if is_good else RETRY_S
            pause_s = random.uniform(low, high) * self._world.pace  # noqa: S311  # spreads calls, keeps no secret
            with contextlib.suppress(TimeoutError):
                # What ended meanwhile is told at once, unless the last call was refused: then in a moment.
                await asyncio.wait_for(self._soon.wait() if is_good else asyncio.Event().wait(), pause_s)

    def _told(self, what: str, status: int) -> None:
        self._world.record.add(self.machine.identity.name, "agent", f"calls {what}", str(status or "no answer"))
        self._lines.append(f"{what}: {status}")

    # ---- commands

    async def serve(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply | None:
        if self._over.is_set():
            return None
        try:
            status, answer = self.desk.reply(method, path, query.get("agent_token"), body)
        except (KeyError, TypeError, AttributeError):
            return 400, {"faultcode": "Client", "faultstring": "A command has a name and params."}
        if method == "POST" and status != 200:
            self._keep(str((body or {}).get("name", "")), f"refused {status}")
        task = self._tasks.get(answer.get("id", "")) if isinstance(answer, dict) else None
        if task is not None and query.get("wait", "").lower() == "true":
            await asyncio.wait([task])
            answer = self.desk.find(answer["id"])
        elif method == "POST" and status == 200 and task is None:
            self._keep(str(body["name"]), str(answer["command_status"]))
        return None if self._over.is_set() and task is not None else (status, answer)

    def _sync(self) -> dict[str, Any]:
        def logs(_params: dict[str, Any]) -> dict[str, str]:
            return findings.packed_logs(self._lines)

        def rescue(_params: dict[str, Any]) -> None:
            self._leave("the rescue ramdisk")

        def lockdown(_params: dict[str, Any]) -> None:
            self._leave("a ramdisk without a network")

        def hardware(_params: dict[str, Any]) -> Any:
            return findings.inventory(self.machine, self._bmc_address)["inventory"]

        def listed(kind: str) -> Answer:
            return lambda _params: steps(kind, self.machine.faults.agent_lacks)

        return {
            **SYNC, "log.collect_system_logs": logs, "rescue.finalize_rescue": rescue, "system.lockdown": lockdown,
            "poll.get_hardware_info": hardware, "steelyard.start_instance": self._start_instance,
            **{f"{kind}.get_{kind}_steps": listed(kind) for kind in KINDS},
        }  # fmt: skip

    def _start_instance(self, _params: dict[str, Any]) -> dict[str, str]:
        """The machine's power stays as it is. Raises CommandFailed."""
        self._fails_at("steelyard.start_instance", "start_instance")
        if not self._has_kernel:
            raise CommandFailed("no instance is loaded: run the deploy step kexec_instance first")
        self._leave(self.machine.disk.shows, START_S * self._world.pace)
        return {"result": "the instance starts now"}

    def _leave(self, stage: str, after_s: float = 0.0) -> None:
        """It answers this one command, and no more."""
        self.machine.stage = stage
        asyncio.get_running_loop().call_later(max(after_s, 0.1), self._over.set)

    def _begun(self, command: dict[str, Any], name: str, params: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self._do(command, name, params))
        self._tasks[command["id"]] = task
        task.add_done_callback(lambda _: self._tasks.pop(command["id"], None))

    async def _do(self, command: dict[str, Any], name: str, params: dict[str, Any]) -> None:
        step = params.get("step") or {}
        words = f"{name} {step.get('step', '')}".rstrip()
        self._lines.append(f"{words} begins")
        status, error, told = SUCCEEDED, None, None
        try:
            self._dies_at(name, str(step.get("step", "")))
            status, told = await self._done(name, params, step)
        except WorkFailed as failure:
            status, error = FAILED, str(failure)
        except Died:
            self._keep(words, "died")
            self.machine.stage = "a ramdisk whose agent died"
            self._over.set()
            return
        self.desk.end(command, status, error, told=told)
        self._keep(words, status)
        self._lines.append(f"{words} ends: {status} {error or ''}")
        self._soon.set()

    async def _done(self, name: str, params: dict[str, Any], step: dict[str, Any]) -> tuple[str, Any]:
        """→ the status it ends with, and what it tells besides. Raises WorkFailed."""
        kind = name.partition(".")[0]
        version = params.get(f"{kind}_version")
        if step and version and version != VERSION:
            return MISMATCH, None
        self._fails_at(name, str(step.get("step", "")))
        if name in ("standby.power_off", "standby.run_image"):
            self._switch(is_restart=name.endswith("run_image"))
            return SUCCEEDED, None
        deed = work.STEPS.get(step["step"], work.some_step) if step else work.COMMANDS.get(name, work.some_step)
        told = await deed(self.machine, self._world.slower(self.machine.faults.slow_agent), step.get("args") or params)
        self._has_kernel = self._has_kernel or step.get("step") == KEXEC
        return SUCCEEDED, told

    def _switch(self, *, is_restart: bool) -> None:
        """The operating system goes down by itself, a moment after it said so."""
        machine, clock = self.machine, self._world.clock
        deed = machine.restart if is_restart else machine.shut_down
        asyncio.get_running_loop().call_later(0.1, lambda: deed(clock()))

    # ---- faults

    def _dies_at(self, *words: str) -> None:
        """Raises Died."""
        if self.machine.faults.agent_dies and self.machine.faults.agent_dies in words:
            raise Died(f"the agent died at {words[-1] or words[0]}")

    def _fails_at(self, *words: str) -> None:
        """Raises WorkFailed."""
        where, _, text = self.machine.faults.agent_fails.partition("=")
        if where and where in words:
            raise WorkFailed(text or "it was told to fail")

    def _keep(self, operation: str, outcome: str) -> None:
        self._world.record.add(self.machine.identity.name, "agent", operation[:120], outcome, is_write=True)


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await _quietly(asyncio.gather(*tasks, return_exceptions=True))


async def _quietly(waiting: Awaitable[Any]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
