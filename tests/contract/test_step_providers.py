"""What every step provider keeps (contracts.steps, contracts.catalogue): all services, each of their steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import steelyard_boot.domain.catalogue
import steelyard_boot.handlers.steps
import steelyard_console.domain
import steelyard_console.handlers
import steelyard_firmware.domain
import steelyard_firmware.handlers
import steelyard_inspector.domain
import steelyard_inspector.handlers
import steelyard_power.domain.catalogue
import steelyard_power.main
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.catalogue import Offer, StepSpec
from steelyard_common.contracts.permissions import PROVIDERS
from steelyard_common.contracts.steps import Again, Done, Failed, Step, StepMessage, StepResult, Wait
from steelyard_common.db import Database
from steelyard_common.provider import Clock, Functions, StepProvider
from steelyard_common.provider.testing import StepEngine, node
from steelyard_common.testing import SetClock
from steelyard_power.drivers.bmc import BmcConversations

SECRET = "the-bmc-password"
DISKS = {"logical_disks": [{"raid_level": "1", "size_gb": 100, "is_root_volume": True}]}
ARGS: dict[str, dict[str, Any]] = {
    "power.set_power": {"target": "power on", "timeout_s": 60},
    "management.set_boot_device": {"device": "pxe"},
    "management.set_boot_mode": {"target": "uefi"},
    "management.set_secure_boot": {"target": True},
    "bios.apply_configuration": {"settings": [{"name": "hyperthreading", "value": "off"}]},
    "raid.apply_configuration": {"raid_config": DISKS},
    "firmware.update": {"settings": [{"component": "bmc", "url": "http://example.com/bmc.bin"}]},
}
# Ironic's fake management interface does not know these, either.
REFUSED_BY_FAKES = {"management.set_boot_mode", "management.set_secure_boot"}


@dataclass(frozen=True)
class Provider:
    """One service: what it announces, and how its step functions are made."""

    offer: Offer
    make: Callable[[Clock], Functions]


def _power(clock: Clock) -> Functions:
    """Its fake interfaces: no database and no BMC is there to be asked."""
    database = Database("postgresql://nobody@127.0.0.1:1/nowhere", "power", pool_size=1)
    pool = BmcPool(PoolSettings(), lambda _sealed: SECRET)
    return steelyard_power.main.step_functions(
        database, BmcConversations(pool), clock, step_timeout_s=5, grace_s=1
    )  # fmt: skip


ALL = [
    Provider(steelyard_power.domain.catalogue.OFFER, _power),
    Provider(steelyard_boot.domain.catalogue.OFFER, steelyard_boot.handlers.steps.step_functions),
    Provider(steelyard_inspector.domain.OFFER, steelyard_inspector.handlers.step_functions),
    Provider(steelyard_firmware.domain.OFFER, steelyard_firmware.handlers.step_functions),
    Provider(steelyard_console.domain.OFFER, steelyard_console.handlers.step_functions),
]
STEPS = [(provider, spec) for provider in ALL for spec in provider.offer.steps]
CASES = [
    (provider, spec, implementation)
    for provider, spec in STEPS
    for implementation in provider.offer.provides[spec.interface]
]
each_provider = pytest.mark.parametrize("provider", ALL, ids=[provider.offer.service for provider in ALL])
each_fake = pytest.mark.parametrize(
    ("provider", "spec"), STEPS, ids=[f"{spec.interface}.{spec.name}" for _, spec in STEPS]
)
each_case = pytest.mark.parametrize(
    ("provider", "spec", "implementation"),
    [case for case in CASES if case[0].offer.service != "power"],  # whose others speak to BMCs: tests of its own
    ids=[f"{case[1].interface}.{case[1].name}-{case[2]}" for case in CASES if case[0].offer.service != "power"],
)


@pytest.fixture
def run(memory_bus: MemoryBus, clock: SetClock) -> Callable[[Provider], StepEngine]:
    def make(provider: Provider) -> StepEngine:
        service = provider.offer.service
        steps = StepProvider(
            memory_bus, provider.make(clock), site="local", service=service, instance=f"{service}-1.test"
        )
        return StepEngine(provider=steps, bus=memory_bus, clock=clock)

    return make


def _node(spec: StepSpec, implementation: str = "fake") -> dict[str, Any]:
    return node(
        interfaces={spec.interface: implementation, "boot": "fake"},
        driver_info={"redfish_password": "******"},
        sealed={"/redfish_password": SECRET},
        instance_info={"kernel": "http://example.com/k", "ramdisk": "http://example.com/r", "configdrive": SECRET},
        target_raid_config=DISKS,
    )


def _args(spec: StepSpec) -> dict[str, Any]:
    return ARGS.get(f"{spec.interface}.{spec.name}", {})


@each_provider
def test_every_step_announced_has_a_function_and_every_function_is_announced(
    provider: Provider, clock: SetClock
) -> None:
    announced = {(spec.interface, spec.name) for spec in provider.offer.steps}

    assert announced == set(provider.make(clock))


@each_provider
def test_the_announcement_survives_the_bus_and_says_what_the_bus_allows(provider: Provider) -> None:
    word = orjson.loads(orjson.dumps(provider.offer.to_dict()))

    assert [StepSpec.from_dict(row) for row in word["steps"]] == list(provider.offer.steps)
    assert set(word["provides"]) == set(PROVIDERS[provider.offer.service])
    for spec in provider.offer.steps:
        assert set(spec.implementations) <= set(provider.offer.provides[spec.interface])
        assert spec.description.endswith(".")


@each_fake
def test_the_fake_step_ends_at_once_and_again_when_it_comes_twice(
    run: Callable[[Provider], StepEngine], provider: Provider, spec: StepSpec
) -> None:
    engine = run(provider)
    message = engine.dispatch(_node(spec), spec.interface, spec.name, **_args(spec))

    first = engine.deliver(message)
    answers = len(engine.bus.published)
    again = engine.deliver(message, times=2)

    assert isinstance(first, Failed if f"{spec.interface}.{spec.name}" in REFUSED_BY_FAKES else Done)
    assert type(again) is type(first)
    assert len(engine.bus.published) == answers == 1


@each_fake
def test_the_fake_step_waits_takes_its_time_and_fails_as_driver_info_says(
    run: Callable[[Provider], StepEngine], provider: Provider, spec: StepSpec
) -> None:
    engine = run(provider)
    told = {"seconds": 5, "wait": "heartbeat", "fail": "told to"}
    on = _node(spec)
    on["driver_info"] |= {f"fake_{spec.name}_{switch}": value for switch, value in told.items()}
    seen: list[StepResult] = []

    while not seen or not isinstance(seen[-1], (Done, Failed)):
        seen.append(engine.deliver(engine.dispatch(on, spec.interface, spec.name, **_args(spec))))
        if isinstance(seen[-1], Again):
            engine.rest(seen[-1])
        elif isinstance(seen[-1], Wait):
            engine.memo = seen[-1].memo

    assert [type(result) for result in seen] == [Again, Wait, Failed]
    assert isinstance(seen[-1], Failed)
    assert seen[-1].error.message == "told to"


@each_case
def test_every_implementation_ends_its_steps_or_says_what_it_waits_for_or_what_to_do_instead(
    run: Callable[[Provider], StepEngine], provider: Provider, spec: StepSpec, implementation: str
) -> None:
    engine = run(provider)
    on = _node(spec, implementation)
    on |= {"interfaces": on["interfaces"] | {spec.interface: implementation}}

    result = engine.run(on, spec.interface, spec.name, **_args(spec))

    assert isinstance(result, (Done, Failed, Wait))
    if isinstance(result, Failed):
        assert not result.error.retryable
        assert f"'{implementation}'" in result.error.message
    if isinstance(result, Wait):
        assert result.progress
    assert SECRET.encode() not in engine.bus.published[-1].body


@each_provider
def test_a_message_of_several_steps_gets_one_answer_with_an_outcome_of_each_that_ran(
    run: Callable[[Provider], StepEngine], provider: Provider
) -> None:
    spec = provider.offer.steps[-1]
    step = Step(index=3, interface=spec.interface, name=spec.name, args=_args(spec), attempt=2)
    stranger = Step(index=4, interface=spec.interface, name="unheard_of", attempt=1)
    engine = run(provider)

    engine.deliver(StepMessage(workflow="w", fence=1, node=_node(spec), steps=[step, stranger, step]))

    assert [(outcome.index, outcome.attempt, type(outcome.result)) for outcome in engine.answers()] == [
        (3, 2, Done), (4, 1, Failed),
    ]  # fmt: skip
    assert len(engine.bus.published) == 1
