"""Table of contents of boot: step → implementation → what runs it.

What no ramdisk was put up for needs none taken down: the agent family ends such steps as done.
"""

from __future__ import annotations

from steelyard_common.provider import Clock, Functions, StepFunction
from steelyard_common.provider.fakes import FAKE, switched
from steelyard_common.provider.slices import by_implementation, nothing_to_do

from ..domain.catalogue import AGENT_DEPLOYS
from ..service.steps import no_agent_yet, prepare_for_agent, prepare_ramdisk


def step_functions(clock: Clock) -> Functions:
    """The rows of ``domain.catalogue.STEPS``."""
    fake = switched(clock)

    def deploy(agent: StepFunction, ramdisk: StepFunction) -> StepFunction:
        agents = dict.fromkeys(AGENT_DEPLOYS, agent)
        return by_implementation({FAKE: fake, "noop": nothing_to_do, "ramdisk": ramdisk, **agents})

    def rescue(agent: StepFunction) -> StepFunction:
        return by_implementation({FAKE: fake, "agent": agent})

    idle = nothing_to_do
    no_cleaning, no_service = no_agent_yet("clean"), no_agent_yet("service")
    return {
        ("deploy", "prepare"): deploy(prepare_for_agent, prepare_ramdisk),
        ("deploy", "deploy"): deploy(no_agent_yet("deploy"), prepare_ramdisk),
        ("deploy", "clean_up"): deploy(idle, idle),
        ("deploy", "tear_down"): deploy(idle, idle),
        ("deploy", "take_over"): deploy(idle, prepare_ramdisk),
        ("deploy", "prepare_cleaning"): deploy(no_cleaning, no_cleaning),
        ("deploy", "tear_down_cleaning"): deploy(idle, idle),
        ("deploy", "prepare_service"): deploy(no_service, no_service),
        ("deploy", "tear_down_service"): deploy(idle, idle),
        ("rescue", "rescue"): rescue(no_agent_yet("rescue")),
        ("rescue", "unrescue"): rescue(idle),
        ("rescue", "clean_up"): rescue(idle),
    }
