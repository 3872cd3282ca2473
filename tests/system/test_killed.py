"""Any process may be killed at any time: nothing is lost, nothing is done twice, nothing stays locked."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from steelyard_local.testing import RunningSuite
from steelyard_rack.testing import RunningRack

from .operator import Operator
from .processes import VICTIMS, kill

CHANGES_A_NODE = 10
BACK_WITHIN_S = 120.0


def _in_stride(operator: Operator, name: str, *, after: str) -> float:
    """Seconds until a question, a command and its step have gone through every part again."""
    start = time.monotonic()
    while True:
        status, _ = operator.call("PUT", f"/v1/nodes/{name}/states/power", {"target": "power on"})
        if status == 202:
            break
        assert time.monotonic() - start < BACK_WITHIN_S, (
            f"{after} was killed: still {status} after {BACK_WITHIN_S:.0f} s"
        )
        time.sleep(0.2)
    operator.wait(name, lambda node: not node["target_power_state"], within_s=BACK_WITHIN_S)
    return time.monotonic() - start


@pytest.mark.slow
def test_power_changes_survive_kill_9_of_every_process_in_turn(
    suite: RunningSuite, operator: Operator, rack: RunningRack
) -> None:
    names = operator.enrol(rack.nodes())
    witness, *workers = names
    operator.set_power(witness, "power on")
    rack.clear_record()
    finished, each_was_killed = threading.Event(), threading.Event()

    def alternate(name: str) -> int:
        """→ how often: until every process has been killed once meanwhile."""
        for change in itertools.count():
            if change >= CHANGES_A_NODE and (each_was_killed.is_set() or finished.is_set()):
                return change
            operator.set_power(name, "power off" if change % 2 else "power on")
        raise AssertionError

    def kill_in_turn() -> dict[str, float]:
        back: dict[str, float] = {}
        while not finished.is_set():
            for victim in VICTIMS:
                if finished.wait(1.0):
                    break
                kill(suite.pid, victim)
                back[victim] = max(back.get(victim, 0.0), _in_stride(operator, witness, after=victim))
            each_was_killed.set()
        return back

    with ThreadPoolExecutor(len(workers) + 1) as pool:
        killer = pool.submit(kill_in_turn)
        changes = {name: pool.submit(alternate, name) for name in workers}
        killer.add_done_callback(lambda _: each_was_killed.set())  # if it failed, nobody is to wait for it
        try:
            asked = {name: change.result() for name, change in changes.items()}
        finally:
            finished.set()
        back = killer.result()

    assert set(back) == set(VICTIMS), "every process has been killed at least once"
    print("seconds until in stride again:", {victim: round(seconds, 1) for victim, seconds in back.items()})
    received = {name: sum(rack.power_actions().get(name, {}).values()) for name in workers}
    assert received == asked, "each change reached its BMC exactly once"
    for name in names:
        node = operator.node(name)
        assert node["reservation"] is None
        assert node["last_error"] is None
        assert not node["maintenance"]
    assert set(operator.seen) <= {0, 200, 201, 202, 204, 409, 500, 502, 503, 504}
