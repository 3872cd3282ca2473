"""BMCs that act at once and answer late, and a power service that dies in between: nothing is sent a second time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from steelyard_local.testing import RunningSuite
from steelyard_rack.testing import RunningRack

from .operator import Operator
from .processes import kill

LATE_S = 30.0
SENT_WITHIN_S = 60.0
# what is asked of each machine, from which state, and what its BMC is to receive once
ASKED = (
    ("power on", "power off", "Reset On"),
    ("power off", "power on", "Reset ForceOff"),
    ("soft power off", "power on", "Reset GracefulShutdown"),
    ("rebooting", "power on", "Reset ForceRestart"),  # power may not be cut: its power state will not show it
)
INTERRUPTED = "Reset Nmi"


@pytest.fixture
def settings() -> dict[str, str]:
    return {"STEELYARD_DEVICE_TIMEOUT_S": "10"}


def _enrol(operator: Operator, rack: RunningRack) -> list[str]:
    bodies = [body for body in rack.nodes() if body["driver"] == "redfish"][: len(ASKED) + 1]
    bodies[3]["disable_power_off"] = True
    names = operator.enrol(bodies)
    for name, (_, start, _) in zip(names, ASKED, strict=False):
        operator.set_power(name, start)
    operator.set_power(names[-1], "power on")
    return names


def _received(rack: RunningRack) -> dict[str, dict[str, int]]:
    return rack.power_actions(refused_too=True)


@pytest.mark.slow
def test_what_was_sent_when_power_was_killed_is_not_sent_again(
    suite: RunningSuite, operator: Operator, rack: RunningRack
) -> None:
    names = _enrol(operator, rack)
    *told, interrupted = names
    rack.clear_record()
    for name in names:
        rack.fault(name, late_answer_s=LATE_S)

    with ThreadPoolExecutor(1) as pool:
        for name, (target, _, _) in zip(told, ASKED, strict=True):
            operator.ask("PUT", f"/v1/nodes/{name}/states/power", {"target": target})
        nmi = pool.submit(operator.call, "PUT", f"/v1/nodes/{interrupted}/management/inject_nmi", {})
        end = time.monotonic() + SENT_WITHIN_S
        while len(_received(rack)) < len(names):
            assert time.monotonic() < end, f"only these were sent: {_received(rack)}"
            time.sleep(0.01)
        kill(suite.pid, "power")
        for name in names:
            rack.fault(name, late_answer_s=None)
        status, _ = nmi.result()

    for name in told:
        node = operator.wait(name, lambda node: not node["target_power_state"], within_s=180)
        assert node["last_error"] is None
    assert operator.node(told[0])["power_state"] == "power on"
    assert status in (503, 504), "whether the NMI happened is not known, and said so"
    once = {name: {action: 1} for name, (_, _, action) in zip(told, ASKED, strict=True)}
    assert _received(rack) == once | {interrupted: {INTERRUPTED: 1}}
