"""What tests of agent work stand on: real agents' sessions, real boots, an agent over HTTPS, an engine for steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelyard_boot.domain.composing import Site
from steelyard_boot.handlers.steps import step_functions
from steelyard_boot.service.agents import Agents
from steelyard_boot.service.boots import Boots
from steelyard_boot.service.inventory import Inventory
from steelyard_boot.store import boots as boot_store
from steelyard_boot.testing_inventory import SITE, InventoryTwin
from steelyard_boot.working import make_works
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Again, StepResult
from steelyard_common.db import Database
from steelyard_common.health import Parts
from steelyard_common.provider import StepProvider
from steelyard_common.provider.testing import StepEngine, node
from steelyard_common.secrets import Sealer
from steelyard_common.testing import SetClock, eventually
from steelyard_rack.testing_agent import ScriptedAgent, scripted_agent

from services.boot.tests.artifact_parts import KEY, running, settings
from services.boot.tests.boot_stage import NoMedia

SEALER = Sealer.from_text(KEY)
NODE = "11111111-1111-4111-8111-111111111111"
MAC = "52:54:00:00:00:01"
API = {"minor": 115, "base_url": "http://api.example:6385"}
SHA = "a" * 64
IMAGE = {"image_source": "https://images.example/cloud.qcow2", "image_checksum": SHA}
INTERFACES = {"deploy": "direct", "boot": "ipxe", "rescue": "agent", "inspect": "agent"}


@dataclass
class Stage:
    database: Database
    clock: SetClock
    agents: Agents
    inventory: InventoryTwin
    engine: StepEngine
    agent: ScriptedAgent
    folder: Path
    node: dict[str, Any] = field(default_factory=dict)

    def run(self, interface: str, name: str, **args: Any) -> StepResult:
        """A new step, to its end or to where it waits for the agent."""
        self.engine.begin_anew()
        return self.engine.run(self.node, interface, name, **args)

    def go_on(self, interface: str, name: str, **args: Any) -> StepResult:
        """The next slice of the step that rests."""
        return self.engine.run(self.node, interface, name, **args)

    def slice(self, interface: str, name: str, times: int = 1, **args: Any) -> StepResult:
        """One slice, delivered for the ``times``-th time; the memo goes on."""
        result = self.engine.deliver(self.engine.dispatch(self.node, interface, name, **args), times)
        if isinstance(result, Again):
            self.engine.rest(result)
        elif hasattr(result, "memo"):
            self.engine.memo = result.memo
        return result

    def beat(self) -> None:
        self.agents.heartbeat(NODE, {
            "url": self.agent.url, "token": self.agent.token, "version": "13.0.0", "verify_ca": self.agent.verify_ca,
        })  # fmt: skip

    def boots(self) -> str:
        """What the machine boots next: its purpose."""
        with self.database.read() as connection:
            row = boot_store.of_node(connection, NODE)
        return "nothing" if row is None else str(row.model.purpose)

    def agent_up(self) -> None:
        """The machine booted its ramdisk: lookup, heartbeat."""
        answer = self.agents.lookup({"api": API, "node_uuid": NODE, "addresses": []})
        self.agent.token = answer["config"]["agent_token"]
        self.agent.restart()
        self.beat()

    def fetched(self, interface: str, name: str, **args: Any) -> StepResult:
        """As ``run``; while something is fetched, real time passes."""
        self.engine.begin_anew()

        def once() -> StepResult | None:
            result = self.slice(interface, name, **args)
            return None if isinstance(result, Again) else result

        found = eventually(once, timeout_s=120, every_s=0.02)
        assert found is not None
        return found


@contextmanager
def stage(database: Database, bus: MemoryBus, clock: SetClock, folder: Path, **changed: Any) -> Iterator[Stage]:
    """``changed``: settings."""
    files = folder / "files"
    files.mkdir()
    (files / "kernel").write_bytes(b"a kernel")
    (files / "ramdisk").write_bytes(b"a ramdisk")
    told = {
        "artifacts_files": (files,), "deploy_kernel": f"file://{files}/kernel",
        "deploy_ramdisk": f"file://{files}/ramdisk", "rescue_kernel": f"file://{files}/kernel",
        "rescue_ramdisk": f"file://{files}/ramdisk", "agent_logs_dir": str(folder / "logs"), **changed,
    }  # fmt: skip
    given = settings(folder / "artifacts", **told)
    twin = InventoryTwin(bus, {NODE: {"name": "n1"}})
    inventory = Inventory(bus, SITE)
    agents = Agents(database, given.sealer(), inventory, clock, given.agent_rules())
    boots = Boots(database, Site(api_url="http://api.example:6385"), NoMedia(), clock)
    parts = Parts()
    with (
        running(database, folder / "artifacts", clock=clock, artifacts_files=(files,)) as artifacts,
        scripted_agent("unknown", folder) as agent,
    ):
        works = make_works(given, parts, agents, inventory, artifacts.artifacts, boots, clock, database=database)
        provider = StepProvider(bus, step_functions(clock, works), site=SITE, service="boot", instance="boot-1.test")
        engine = StepEngine(provider=provider, bus=bus, clock=clock)
        made = node(
            uuid=NODE, interfaces=INTERFACES, instance_info=dict(IMAGE), ports=[{"address": MAC}],
            driver_info={"bmc_password": "******"}, properties={"cpu_arch": "x86_64"}, network_data={}, extra={},
        )  # fmt: skip
        try:
            yield Stage(database, clock, agents, twin, engine, agent, folder, made)
        finally:
            parts.stop()
