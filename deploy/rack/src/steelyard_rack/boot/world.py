"""What surrounds a machine: the network it boots from, how fast time passes, who keeps the record."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..agent.listener import AgentListener
from ..record import Record
from ..web import Web


@dataclass(kw_only=True)
class World:
    """``boot_url``: the first script that DHCP tells iPXE of, empty: no DHCP server answers. ``pace``: what all that
    machines do by themselves takes, as a share of what it takes real ones; power has its own timings. ``macs_of``: of
    another machine of the rack."""

    web: Web
    listener: AgentListener
    record: Record
    boot_url: str = ""
    pace: float = 1.0
    macs_of: Callable[[str], tuple[str, ...]] = lambda _name: ()
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _dice: random.Random = field(default_factory=random.Random)

    async def spend(self, shortest_s: float, longest_s: float | None = None) -> None:
        """So much of a real machine's time passes; somewhere between the two."""
        took = self._dice.uniform(shortest_s, longest_s if longest_s is not None else shortest_s)
        await asyncio.sleep(took * self.pace)

    def slower(self, times: float) -> World:
        """The same for a machine that is so many times slower."""
        return self if times == 1.0 else replace(self, pace=self.pace * times)
