"""What machines do until something runs on them."""

from __future__ import annotations

from steelyard_rack.boot.life import TRIES

from .agent_stage import Stage, on_stage


async def _without_a_network_goes_on_with_its_disk(it: Stage) -> None:
    it.fault(no_network=True)
    it.boot()
    await it.reaches("the former owner's system")
    assert it.seen("boot") == [("DHCP", "no answer")]

    it.machine.pull_power(it.rack.clock())
    it.machine.disk.wipe(0.0, whole=False)
    it.boot("Hdd")
    await it.reaches("nothing that boots")


async def _tries_its_network_again(it: Stage) -> None:
    it.outside.away = 3

    await it.agent()

    assert it.outside.away == 0
    assert [outcome.endswith("status 503") for _, outcome in it.seen("boot")][:4] == [True] * 3 + [False]


async def _goes_on_with_its_disk_in_the_end(it: Stage) -> None:
    it.outside.away = 1_000
    it.boot()
    await it.reaches("the former owner's system")

    assert it.outside.away == 1_000 - TRIES


test_a_machine_whose_network_does_not_answer_tries_it_again = on_stage(_tries_its_network_again)
test_a_machine_whose_network_never_answers_goes_on_with_its_disk = on_stage(_goes_on_with_its_disk_in_the_end)
test_a_machine_without_a_network_goes_on_with_its_disk = on_stage(_without_a_network_goes_on_with_its_disk)
