"""Entrances: what is asked, refused, answered; over the bus twin, with its JSON there and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from steelyard_common.bmc import BootDevice
from steelyard_common.bus import CALLER, MemoryBus, Message
from steelyard_common.contracts import subjects
from steelyard_common.errors import (
    Busy,
    DeviceRefused,
    DeviceUnreachable,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Unavailable,
    Unsupported,
)
from steelyard_common.provider import consume
from steelyard_common.testing import SetClock
from steelyard_power import handlers
from steelyard_power.domain.catalogue import OFFER
from steelyard_power.drivers.simulated import SimulatedBmc, SimulatedConversations, SimulatedRedfish
from steelyard_power.service.direct import Asked, Direct
from steelyard_power.service.inventory import Inventory
from steelyard_power.testing import Engine, InventoryTwin, node

Ask = Callable[..., Any]


@pytest.fixture
def twin(memory_bus: MemoryBus) -> InventoryTwin:
    twin = InventoryTwin()
    twin.serve(memory_bus)
    return twin


@pytest.fixture
def direct(memory_bus: MemoryBus, conversations: SimulatedConversations) -> Direct:
    direct = Direct(Inventory(memory_bus, "local", "power-1.test"), conversations)
    memory_bus.serve("power", handlers.endpoints("local", direct))
    return direct


@pytest.fixture
def bmc(twin: InventoryTwin, conversations: SimulatedConversations, clock: SetClock) -> SimulatedBmc:
    """The BMC of the node n1."""
    row = twin.add(node())
    conversations.bmcs[row["uuid"]] = bmc = SimulatedBmc(clock=clock)
    return bmc


@pytest.fixture
def query(memory_bus: MemoryBus, direct: Direct) -> Ask:
    def ask(verb: str, **body: Any) -> Any:
        subject = subjects.query("local", "power", verb)
        return orjson.loads(memory_bus.request(subject, body, timeout_s=10))

    return ask


@pytest.fixture
def command(memory_bus: MemoryBus, direct: Direct) -> Ask:
    def ask(verb: str, **body: Any) -> Any:
        subject = subjects.command("local", "power", verb)
        answer = memory_bus.request(subject, body, timeout_s=10, headers={CALLER: '{"request_id": "req-1"}'})
        return orjson.loads(answer or b"null")

    return ask


@pytest.mark.usefixtures("bmc")
def test_the_boot_device_is_told_by_name_or_uuid(query: Ask, twin: InventoryTwin) -> None:
    answer = {"boot_device": "disk", "persistent": True}

    assert query("boot-device", ident="n1") == answer
    assert query("boot-device", ident=next(iter(twin.nodes))) == answer
    assert query("supported-boot-devices", ident="n1") == {"supported_boot_devices": ["pxe", "disk", "cdrom"]}
    assert twin.leases == []


def test_a_boot_device_is_set_under_a_lease_that_is_given_back(
    command: Ask, twin: InventoryTwin, bmc: SimulatedBmc
) -> None:
    command("set-boot-device", ident="n1", boot_device="pxe")

    assert bmc.boot == BootDevice(device="pxe", persistent=False)
    assert [(lease["purpose"], lease["holder"]) for lease in twin.leases] == [("set boot device pxe", "power-1.test")]
    assert twin.leased == {}


@pytest.mark.parametrize(
    "error", [DeviceUnreachable("gone"), DeviceRefused("no"), Unsupported("cannot"), OutcomeUnknown()]
)
def test_the_errors_of_a_bmc_reach_the_caller_and_the_lease_is_given_back(
    command: Ask, twin: InventoryTwin, bmc: SimulatedBmc, error: Any
) -> None:
    bmc.fault = error

    with pytest.raises(type(error)) as caught:
        command("inject-nmi", ident="n1")

    assert caught.value.message == error.message
    assert (twin.leased, bmc.nmis) == ({}, 0)


def test_a_node_that_somebody_holds_is_not_written_to_but_may_be_read(
    command: Ask, query: Ask, twin: InventoryTwin, bmc: SimulatedBmc
) -> None:
    next(iter(twin.nodes.values()))["busy"] = True

    with pytest.raises(Busy, match="locked by host"):
        command("inject-nmi", ident="n1")

    assert bmc.nmis == 0
    assert query("boot-device", ident="n1")["boot_device"] == "disk"


def test_indicators_are_listed_read_and_set(command: Ask, query: Ask, bmc: SimulatedBmc) -> None:
    lamp = {"name": "led@chassis", "component": "chassis", "readonly": False, "states": ["on", "off", "blinking"]}

    assert query("indicators", ident="n1") == {"indicators": [lamp]}
    assert query("indicators", ident="n1", component="disk") == {"indicators": []}
    command("set-indicator", ident="n1", name="led@chassis", state="blinking")
    assert query("indicator", ident="n1", name="led@chassis") == {"state": "blinking"}
    assert bmc.lamp == "blinking"


def test_an_nmi_is_injected_once(command: Ask, bmc: SimulatedBmc) -> None:
    command("inject-nmi", ident="n1")

    assert bmc.nmis == 1


@pytest.mark.usefixtures("bmc")
@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("boot-device", {}),
        ("boot-device", {"ident": 7}),
        ("indicator", {"ident": "n1"}),
        ("indicator", {"ident": "n1", "name": "led"}),
        ("indicator", {"ident": "n1", "name": "@chassis"}),
    ],
)
def test_questions_that_make_no_sense_are_refused(query: Ask, verb: str, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        query(verb, **body)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("set-boot-device", {"ident": "n1"}),
        ("set-boot-device", {"ident": "n1", "boot_device": ""}),
        ("set-indicator", {"ident": "n1", "name": "led@chassis", "state": "green"}),
    ],
)
def test_commands_that_make_no_sense_are_refused_before_anything_is_held(
    command: Ask, twin: InventoryTwin, verb: str, body: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        command(verb, **body)

    assert twin.leases == []


def test_unknown_nodes_are_not_found_and_a_missing_inventory_is_said(query: Ask, twin: InventoryTwin) -> None:
    with pytest.raises(NotFound):
        query("boot-device", ident="nobody")


def test_without_inventory_nothing_is_sent(query: Ask) -> None:
    with pytest.raises(Unavailable, match="inventory service is away"):
        query("boot-device", ident="n1")


@pytest.mark.usefixtures("bmc")
def test_when_nobody_waits_any_more_nothing_is_sent(direct: Direct, twin: InventoryTwin) -> None:
    with pytest.raises(Unavailable, match="nothing was sent"):
        direct.inject_nmi(Asked(ident="n1", deadline=time.monotonic() + 0.5, headers={}))

    assert twin.leases == []


@pytest.mark.usefixtures("bmc")
def test_the_report_names_each_bmc(query: Ask) -> None:
    assert len(query("bmc-report")["bmcs"]) == 1


def test_steps_of_all_interfaces_are_taken_from_the_stream_and_answered(engine: Engine) -> None:
    consume(engine.bus, engine.provider, site="local", interfaces=OFFER.provides, workers=2)
    on = node("fake")
    on["interfaces"]["vendor"] = "fake"
    labels = [("power", "verify"), ("management", "observe"), ("vendor", "log_passthrough")]
    steps = [engine.dispatch(on, *label) for label in labels]

    for number, message in enumerate(steps):
        subject = subjects.step("local", message.steps[0].interface, on["uuid"])
        engine.conversations.bmcs[on["uuid"]] = SimulatedBmc(clock=engine.clock)
        engine.bus.publish([Message(subject=subject, body=orjson.dumps(message.to_dict()), msg_id=str(number))])
    engine.bus.deliver()

    answers = [each for each in engine.bus.published if each.subject == subjects.result("local", engine.workflow)]
    assert [orjson.loads(each.body)["outcomes"][0]["outcome"] for each in answers] == ["done", "done", "done"]
    assert engine.bus.failures == []


@pytest.fixture
def fake_vendor(twin: InventoryTwin) -> None:
    """n1 has the fake vendor interface."""
    interfaces = {"power": "fake", "management": "fake", "vendor": "fake"}
    twin.add(node("fake", driver="fake-hardware", interfaces=interfaces))


@pytest.mark.usefixtures("fake_vendor")
def test_vendor_methods_are_named_and_called_under_a_lease(command: Ask, query: Ask, twin: InventoryTwin) -> None:
    methods = query("vendor-methods", ident="n1")["methods"]

    assert methods["third_method_sync"] == {
        "http_methods": ["POST"], "async": False, "description": "Test if the value of bar is meow",
        "attach": False, "require_exclusive_lock": True,
    }  # fmt: skip
    call = {"ident": "n1", "method": "third_method_sync", "http_method": "POST"}
    assert command("call-vendor", **call, arguments={"bar": "meow"}) == {"async": False, "return": True}
    assert command("call-vendor", **call, arguments={"bar": "woof"}) == {"async": False, "return": False}
    assert [lease["purpose"] for lease in twin.leases] == ["vendor method third_method_sync"] * 2
    assert twin.leased == {}


@pytest.mark.usefixtures("fake_vendor")
@pytest.mark.parametrize(
    ("method", "verb", "arguments"),
    [
        ("bogus", "POST", {}), ("second_method", "GET", {"bar": "kazoo"}), ("second_method", "POST", {}),
        ("second_method", "POST", {"bar": "kazoo", "more": 1}),
    ],
)  # fmt: skip
def test_vendor_calls_that_make_no_sense_are_refused(command: Ask, method: str, verb: str, arguments: Any) -> None:
    with pytest.raises(InvalidRequest):
        command("call-vendor", ident="n1", method=method, http_method=verb, arguments=arguments)


@pytest.mark.usefixtures("bmc")
@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("virtual-media", {}), ("detach-virtual-media", {"device_types": []}),
        ("attach-virtual-media", {"device_type": "cdrom", "image_url": "http://i/x.iso"}),
    ],
)  # fmt: skip
def test_a_bmc_without_virtual_media_says_what_has_them(command: Ask, query: Ask, verb: str, body: Any) -> None:
    with pytest.raises(Unsupported, match="Redfish does"):
        (query if verb == "virtual-media" else command)(verb, ident="n1", **body)


def test_media_are_attached_shown_and_detached_by_their_type(
    command: Ask, query: Ask, twin: InventoryTwin, conversations: SimulatedConversations, clock: SetClock
) -> None:  # fmt: skip
    bmc = SimulatedRedfish(clock=clock)
    conversations.bmcs[twin.add(node())["uuid"]] = bmc

    for _ in range(2):
        command("attach-virtual-media", ident="n1", device_type="cdrom", image_url="http://i/x.iso")
    command("attach-virtual-media", ident="n1", device_type="disk", image_url="http://i/x.img")

    assert query("virtual-media", ident="n1") == {"media": [
        {"media_types": ["CD", "DVD"], "inserted": True, "image": "http://i/x.iso"},
        {"media_types": ["USBStick"], "inserted": True, "image": "http://i/x.img"},
    ]}  # fmt: skip
    command("detach-virtual-media", ident="n1", device_types=["disk"])
    assert bmc.media == {"Cd": "http://i/x.iso"}
    command("detach-virtual-media", ident="n1", device_types=[])
    assert bmc.media == {}
    with pytest.raises(Unsupported, match="its slots are for CD, DVD, USBStick"):
        command("attach-virtual-media", ident="n1", device_type="floppy", image_url="http://i/x.img")
    with pytest.raises(InvalidRequest):
        command("attach-virtual-media", ident="n1", device_type="tape", image_url="http://i/x.img")
