"""A step provider for tests: all services' steps for fake hardware in one, behind the bus's twin.

It answers each message once when told to (``run``), Done unless ``behaviour`` says otherwise for a step's label: a
list of results, one a slice. It works on any bus that remembers what was published; real services replace it in
system tests.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from steelyard_common.bus import MemoryBus, Message
from steelyard_common.contracts import subjects
from steelyard_common.contracts.catalogue import StepSpec, args_schema
from steelyard_common.contracts.steps import Done, Outcome, ResultMessage, StepMessage, StepResult

SETTINGS = args_schema({"settings": {"type": "array"}}, "settings")


def _core(interface: str, *names: str) -> list[StepSpec]:
    return [StepSpec(interface=interface, name=name, description="", core=True) for name in names]


CATALOGUE: tuple[StepSpec, ...] = (
    *_core("power", "set_power", "verify"),
    *_core("management", "observe"),
    *_core("deploy", "prepare", "clean_up", "tear_down", "take_over", "prepare_cleaning", "tear_down_cleaning"),
    *_core("deploy", "prepare_service", "tear_down_service"),
    *_core("rescue", "rescue", "unrescue", "clean_up"),
    *_core("inspect", "inspect_hardware", "abort"),
    *_core("console", "start", "stop"),
    StepSpec(interface="deploy", name="deploy", description="", kinds={"deploy": 100}),
    StepSpec(interface="vendor", name="log_passthrough", description="", kinds={"clean": 1, "service": 0}),
    StepSpec(interface="vendor", name="send_raw", description="", kinds={"clean": 0, "service": 0}),
    StepSpec(interface="bios", name="factory_reset", description="", kinds={"clean": 0, "deploy": 0, "service": 0}),
    StepSpec(
        interface="bios", name="apply_configuration", description="", args=SETTINGS,
        kinds={"clean": 0, "deploy": 0, "service": 0},
    ),
    StepSpec(
        interface="raid", name="create_configuration", description="", kinds={"clean": 0}, requires_ramdisk=True
    ),
    StepSpec(
        interface="firmware", name="update", description="", args=SETTINGS, abortable=False,
        kinds={"clean": 0, "deploy": 0, "service": 0},
    ),
)  # fmt: skip
AGENT_DEPLOYS = ("direct", "custom-agent")
BOOTS = ("pxe", "ipxe", "http", "http-ipxe", "redfish-virtual-media", "redfish-https")


def _of_agent(interface: str, name: str, *implementations: str, **more: Any) -> StepSpec:
    return StepSpec(interface=interface, name=name, description="", core=True, implementations=implementations, **more)


# What real machines need besides: the steps around an agent, for the implementations that have one.
AGENT_CATALOGUE: tuple[StepSpec, ...] = (
    *(replace(spec, implementations=("fake",)) if spec.interface in ("raid", "bios") else spec for spec in CATALOGUE),
    *_core("management", "set_boot_mode", "set_boot_device"),
    *(
        _of_agent("deploy", name, *AGENT_DEPLOYS, "ramdisk", "anaconda")
        for name in ("find_agent", "read_agent_steps", "execute_in_band", "collect_logs")
    ),
    _of_agent("deploy", "start_by_kexec", *AGENT_DEPLOYS),
    _of_agent("deploy", "watch_installer", "anaconda"),
    _of_agent("rescue", "prepare", "agent"),
    *(_of_agent("boot", name, *BOOTS) for name in ("prepare_inspection", "tear_down_inspection")),
    *(
        StepSpec(interface="deploy", name=name, description="", kinds={"deploy": priority}, implementations=served)
        for name, priority, served in (
            ("write_image", 80, ("direct",)), ("prepare_instance_boot", 60, AGENT_DEPLOYS),
            ("tear_down_agent", 40, AGENT_DEPLOYS), ("switch_to_tenant_network", 30, AGENT_DEPLOYS),
            ("boot_instance", 20, AGENT_DEPLOYS),
        )
    ),
)  # fmt: skip
SERVICES = {
    "power": ("power", "management", "vendor"),
    "boot": ("boot", "deploy", "rescue", "storage", "network"),
    "inspector": ("inspect",),
    "firmware": ("bios", "raid", "firmware"),
    "console": ("console",),
}
IMPLEMENTATIONS = {
    "deploy": (*AGENT_DEPLOYS, "ramdisk", "anaconda"), "boot": BOOTS, "rescue": ("agent",), "inspect": ("agent",),
}  # fmt: skip
AGENT_INTERFACES = {
    "deploy_interface": "direct", "boot_interface": "ipxe", "rescue_interface": "agent", "inspect_interface": "agent",
}  # fmt: skip
FAKE_INTERFACES = {f"{name}_interface": "fake" for names in SERVICES.values() for name in names if name != "network"}


def announcements(*, agents: bool = False) -> list[dict[str, Any]]:
    """What the services say of themselves, as ``cmd.announce`` and the table of workers take it. ``agents``: they can
    boot machines and speak with their agents, too."""
    rows = AGENT_CATALOGUE if agents else CATALOGUE
    more = IMPLEMENTATIONS if agents else {}
    return [
        {
            "instance": f"{service}-1.here", "service": service, "conductor_group": "", "version": "1", "online": True,
            "provides": {name: ["fake", "noop", *more.get(name, ())] for name in interfaces},
            "hardware_types": ["fake-hardware"],
            "steps": [spec.to_dict() for spec in rows if spec.interface in interfaces],
        }
        for service, interfaces in SERVICES.items()
    ]  # fmt: skip


class FakeProvider:
    """``seen``: every message, oldest first; ``acted``: (workflow, index, attempt) of each slice that was run."""

    def __init__(self, bus: MemoryBus, site: str, instance: str = "fake-1") -> None:
        self._bus, self._site, self._instance = bus, site, instance
        self._read = 0
        self.seen: list[StepMessage] = []
        self.acted: list[tuple[str, int, int]] = []
        self.behaviour: dict[str, list[StepResult]] = {}

    def receive(self) -> list[StepMessage]:
        """The messages that came since the last time."""
        news = self._bus.published[self._read :]
        self._read = len(self._bus.published)
        steps = [each for each in news if each.subject.startswith(f"{self._site}.step.")]
        came = [StepMessage.from_dict(orjson.loads(each.body)) for each in steps]
        self.seen += came
        return came

    def run(self, most: int = 100) -> int:
        """Answer what came, and what comes of that, till nothing comes any more. → how many messages"""
        answered = 0
        while answered < most and (messages := self.receive()):
            for message in messages:
                self.answer(message, self.outcomes(message))
            self._bus.deliver()
            answered += len(messages)
        return answered

    def outcomes(self, message: StepMessage) -> list[Outcome]:
        """Run the steps of a message in order as long as they are done."""
        outcomes: list[Outcome] = []
        for step in message.steps:
            self.acted.append((message.workflow, step.index, step.attempt))
            planned = self.behaviour.get(f"{step.interface}.{step.name}")
            result = planned.pop(0) if planned else Done(facts=_facts(step.name, step.args))
            outcomes.append(Outcome(index=step.index, attempt=step.attempt, result=result))
            if not isinstance(result, Done):
                break
        return outcomes

    def answer(self, message: StepMessage, outcomes: list[Outcome]) -> None:
        """Publish a result; it is delivered by the bus."""
        result = ResultMessage(
            workflow=message.workflow, node=message.node["uuid"], fence=message.fence, provider=self._instance,
            outcomes=outcomes,
        )  # fmt: skip
        subject = subjects.result(self._site, message.workflow)
        body = orjson.dumps(result.to_dict())
        self._bus.publish([Message(subject=subject, body=body, msg_id=str(uuid.uuid4()))])


def _facts(name: str, args: dict[str, Any]) -> dict[str, Any]:
    """What a fake learns: power as it was set, on when it is verified."""
    make: dict[str, Callable[[], dict[str, Any]]] = {
        "set_power": lambda: {"power_state": "power off" if args["target"].endswith("off") else "power on"},
        "verify": lambda: {"power_state": "power on"},
        "inspect_hardware": lambda: {"properties": {"cpu_arch": "x86_64", "memory_mb": 4096}},
    }
    return make[name]() if name in make else {}
