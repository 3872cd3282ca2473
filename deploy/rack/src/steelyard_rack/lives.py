"""What machines do by themselves while they have power. A machine that is off, or simply runs, costs nothing here:
there is a task only from the power to the end of what it does, and a timer only while its power changes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .boot.life import LOCAL, Life
from .boot.world import World
from .machine import Machine, Power

_DARK = (Power.OFF, Power.POWERING_OFF)


@dataclass(slots=True)
class _Running:
    boot: int
    task: asyncio.Task[None]


class Lives:
    """``notice`` is what machines call; ``bmc_addresses``: machine → address, for what inspects itself."""

    def __init__(self, world: World, bmc_addresses: dict[str, str]) -> None:
        self._world, self._bmc_addresses = world, bmc_addresses
        self._running: dict[str, _Running] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def notice(self, machine: Machine) -> None:
        """Its power may have changed, or begun to."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a rack that is only being built: it looks again when it opens
            return
        name = machine.identity.name
        power = machine.power(self._world.clock())
        self._end_unless(machine, is_dark=power in _DARK)
        if power is Power.ON and name not in self._running:
            self._begin(machine)
        if power is Power.OFF:
            machine.stage = "off"
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        at = machine.next_change()
        if at is not None:
            wait_s = max(0.0, at - self._world.clock())
            self._timers[name] = loop.call_later(wait_s, self.notice, machine)

    async def close(self) -> None:
        """All end."""
        for timer in self._timers.values():
            timer.cancel()
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end_unless(self, machine: Machine, *, is_dark: bool) -> None:
        running = self._running.get(machine.identity.name)
        if running is not None and (is_dark or running.boot != machine.boots):
            running.task.cancel()
            del self._running[machine.identity.name]

    def _begin(self, machine: Machine) -> None:
        booted = machine.booted
        if booted is not None and booted.device in LOCAL and machine.disk.boots:
            machine.stage = machine.disk.shows  # no task for what does nothing more
            return
        name = machine.identity.name
        life = Life(machine, self._world.slower(machine.faults.slow_power), self._bmc_addresses.get(name))
        self._running[name] = _Running(machine.boots, asyncio.ensure_future(life.run()))
