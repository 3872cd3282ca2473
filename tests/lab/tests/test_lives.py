from pathlib import Path

import pytest
from steelyard_lab.agent.built import Built
from steelyard_lab.agent.instance_image import Image
from steelyard_lab.agent.ramdisk import Ramdisk
from steelyard_lab.life import Living
from steelyard_lab.lives import LIVES
from steelyard_lab.matrix import Outcome, Row
from steelyard_lab.options import Options
from steelyard_lab.scenario import Part, at_once


def row(machine: str, operation: str) -> Row:
    return Row(machine=machine, operation=operation, seconds=1, outcome=Outcome.DONE, evidence="seen")


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_every_step_of_the_table_is_an_operation(life: object) -> None:
    for step in life.steps:  # type: ignore[attr-defined]
        assert callable(getattr(Living, Living.method_of(step)))


def test_machines_have_names_of_their_own() -> None:
    assert len({life.name for life in LIVES}) == len(LIVES)


def test_all_rows_of_machines_that_live_at_once_come_each_machines_in_order() -> None:
    parts = [Part(name, lambda name=name: iter([row(name, "a"), row(name, "b")])) for name in ("one", "two", "three")]  # type: ignore[misc]

    seen = [(each.machine, each.operation) for each in at_once(parts, 2)]

    assert len(seen) == 6
    for name in ("one", "two", "three"):
        assert [operation for machine, operation in seen if machine == name] == ["a", "b"]


def test_an_error_in_one_machines_life_is_not_lost() -> None:
    def breaks() -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        list(at_once([Part("one", lambda: iter([breaks()]))], 1))  # type: ignore[func-returns-value, list-item]


def test_what_the_outer_half_says_arrives_unchanged_at_the_inner_half() -> None:
    options = Options(api_url="http://127.0.0.1:6385", only=("one", "two"), at_once=1, built="[]")

    assert Options.from_text(options.as_text()) == options
    assert options.wants("two")
    assert not options.wants("three")
    assert Options().wants("three")


def test_what_was_built_arrives_unchanged_and_is_told_to_steelyard() -> None:
    words = ("kernel", "initrd", "modules", "busybox", "mdadm", "raw", "qcow2", "partition")
    names = {name: Path("/cache", name) for name in words}
    image = Image(**{name: names[name] for name in ("raw", "qcow2", "partition", "kernel", "initrd")})
    built = Built(Ramdisk(**{name: names[name] for name in ("kernel", "initrd", "modules", "busybox", "mdadm")}), image)

    assert Built.read(built.as_text()) == built
    assert built.settings()["STEELYARD_DEPLOY_RAMDISK"] == "file:///cache/initrd"
