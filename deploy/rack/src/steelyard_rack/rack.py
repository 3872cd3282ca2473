"""The rack: machines of a plan with their BMCs, their ports, their faults. The real parts meet here."""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .agent.listener import AgentListener
from .boot.world import World
from .faults import BMC_FAULTS, Faults, changed
from .ipmi.bmc import IpmiBmc
from .ipmi.listener import DatagramSocket, IpmiListener
from .lives import Lives
from .machine import Machine
from .plan import IPMI, REDFISH, Place, Plan, places
from .record import Record
from .redfish.bmc import RedfishBmc
from .redfish.door import RedfishDoor
from .redfish.listener import RedfishListener
from .shelf import Shelf
from .tls import Certificates
from .web import Web

_ENTRIES_IN_ALL = 400_000


class NoSuchMachine(KeyError):
    """The rack has no machine of this name."""


@dataclass(slots=True)
class Unit:
    """One machine with what stands in front of it. Systems behind one BMC share ``redfish`` and ``redfish_bmc``."""

    place: Place
    machine: Machine
    redfish_bmc: RedfishBmc | None = None
    redfish: RedfishListener | None = None
    ipmi: IpmiListener | None = None


class Rack:
    """All machines by name. Everything in here belongs to one event loop."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self.plan = plan
        self.clock = clock
        self.record = Record(per_machine=max(40, min(1000, _ENTRIES_IN_ALL // plan.machines)))
        folder = Path(plan.data_dir) if plan.data_dir else None
        self.certificates = Certificates(folder)
        self.units: dict[str, Unit] = {}
        self.shelf = Shelf()
        self._agents = AgentListener()
        self.world = World(
            web=Web(), listener=self._agents, record=self.record, boot_url=plan.boot_url, pace=plan.pace,
            macs_of=self._macs_of, clock=clock,
        )  # fmt: skip
        self._bmc_addresses: dict[str, str] = {}
        self._lives = Lives(self.world, self._bmc_addresses)
        self._build()

    def unit(self, name: str) -> Unit:
        """Raises NoSuchMachine."""
        if name not in self.units:
            raise NoSuchMachine(name)
        return self.units[name]

    async def open(self) -> None:
        """All ports listen. Raises OSError when one cannot; the others are closed again."""
        try:
            await self._agents.open()
            for unit in self.units.values():
                if unit.redfish is not None and unit.place.is_first_behind_bmc:
                    await unit.redfish.open(self._context(unit))
                if unit.ipmi is not None:
                    await unit.ipmi.open()
                self._lives.notice(unit.machine)
        except OSError:
            await self.close()
            raise

    async def close(self) -> None:
        """All machines stop, all ports are closed."""
        await self._lives.close()
        await self._agents.close()
        for unit in self.units.values():
            if unit.ipmi is not None:
                unit.ipmi.close()
        first = [unit.redfish for unit in self.units.values() if unit.redfish and unit.place.is_first_behind_bmc]
        await asyncio.gather(*(listener.shut_down() for listener in first))

    async def set_faults(self, name: str, changes: dict[str, object]) -> Faults:
        """Change some faults of a machine, and of its BMC. Raises NoSuchMachine, BadFault."""
        unit = self.unit(name)
        before = unit.machine.faults
        after = changed(before, changes)
        unit.machine.set_faults(after, self.clock())
        of_bmc = {fault: getattr(after, fault) for fault in BMC_FAULTS}
        for neighbour in self._neighbours(unit):
            neighbour.machine.set_faults(replace(neighbour.machine.faults, **of_bmc), self.clock())
        if (before.tls, before.dead) != (after.tls, after.dead):
            await self._reopen(unit)
        return after

    async def clear_faults(self, names: Iterable[str]) -> None:
        """These machines are healthy again. Raises NoSuchMachine."""
        for name in names:
            await self.set_faults(name, dict.fromkeys(self.unit(name).machine.faults.active()))

    async def renew(self) -> None:
        """All machines as new: off, healthy, no overrides, no sessions; and an empty record."""
        await self.clear_faults(list(self.units))
        for unit in self.units.values():
            unit.machine.renew()
            if unit.redfish_bmc is not None:
                unit.redfish_bmc.forget_sessions()
            if unit.ipmi is not None:
                unit.ipmi.bmc.forget_sessions()
        self.record.clear()

    def _build(self) -> None:
        bmc: RedfishBmc | None = None
        listener: RedfishListener | None = None
        for index, place in enumerate(places(self.plan)):
            unit = Unit(place, Machine(place.identity, self.plan.timings, notice=self._lives.notice))
            self._bmc_addresses[place.identity.name] = place.address
            if self.plan.initial_power == "on" or (self.plan.initial_power == "mixed" and index // 2 % 2):
                unit.machine.start_at_once(self.clock())
            if REDFISH in place.protocols:
                if place.is_first_behind_bmc:
                    bmc, listener = self._make_redfish(place)
                if bmc is not None:
                    bmc.systems[place.system_id] = unit.machine
                unit.redfish_bmc, unit.redfish = bmc, listener
            if IPMI in place.protocols:
                unit.ipmi = self._make_ipmi(place, unit.machine)
            self.units[place.identity.name] = unit

    def _make_redfish(self, place: Place) -> tuple[RedfishBmc, RedfishListener]:
        prefix = self.plan.path_prefix.rstrip("/")
        bmc = RedfishBmc({}, place.username, place.password, prefix=prefix, clock=self.clock)
        listener = RedfishListener(RedfishDoor(bmc, self.record), place.address, self.plan.redfish_port)
        return bmc, listener

    def _make_ipmi(self, place: Place, machine: Machine) -> IpmiListener:
        socket = DatagramSocket()
        bmc = IpmiBmc(machine, place.username, place.password, self.record, self.clock, socket)
        return IpmiListener(bmc, socket, place.address, self.plan.ipmi_port)

    def _macs_of(self, name: str) -> tuple[str, ...]:
        return self.units[name].machine.identity.macs if name in self.units else ()

    def _neighbours(self, unit: Unit) -> list[Unit]:
        if unit.redfish is None or self.plan.systems_per_bmc == 1:
            return []
        return [other for other in self.units.values() if other.redfish is unit.redfish and other is not unit]

    async def _reopen(self, unit: Unit) -> None:
        if unit.redfish is not None:
            await unit.redfish.close()
            if not unit.machine.faults.dead:
                await unit.redfish.open(self._context(unit))

    def _context(self, unit: Unit) -> ssl.SSLContext | None:
        mode = unit.machine.faults.tls or self.plan.tls
        if mode == "none":
            return None
        return self.certificates.signed_for(unit.place.address) if mode == "ca" else self.certificates.self_signed()
