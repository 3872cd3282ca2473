"""Plans: what a verb would do, everything that would stop it, and doing exactly that or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from steelyard_common.contracts import subjects
from steelyard_common.db import Database
from steelyard_common.errors import Busy, Conflict, InvalidRequest, NotFound
from steelyard_inventory.store import timeline as history
from steelyard_inventory.testing import SITE, Desk

CANARY = "canary-In-Mine-7731"


def row(name: str, **more: Any) -> dict[str, Any]:
    interface, _, step = name.partition(".")
    return {"interface": interface, "name": step, "description": "x", "implementations": ["fake"], **more}


CORE = [
    row(f"deploy.{name}", core=True)
    for name in (
        "prepare",
        "clean_up",
        "tear_down",
        "prepare_cleaning",
        "tear_down_cleaning",
        "prepare_service",
        "tear_down_service",
    )
]
ERASE = row("deploy.erase", kinds={"clean": 10}, effects=["erases the disks"], undo="there is none")
DEPLOY = row("deploy.deploy", kinds={"deploy": 100}, core=True, effects=["writes the image to the disk"])
NAMED = row("bios.named", kinds={"clean": 0, "service": 0}, args={
    "type": "object", "properties": {"speed": {"type": "integer"}, "password": {"type": "string"}},
    "required": ["speed"], "additionalProperties": False})  # fmt: skip
STEPS = [*CORE, ERASE, DEPLOY, NAMED]


def offer(desk: Desk, steps: Sequence[dict[str, Any]] = STEPS) -> None:
    for service, interface in (("boot", "deploy"), ("firmware", "bios")):
        served = [step for step in steps if step["interface"] == interface]
        desk.announce(f"{service}-1.here", service=service, provides={interface: ["fake"]}, steps=served)


@pytest.fixture
def manageable(desk: Desk, database: Database) -> str:
    """A node n1 that is manageable, and somebody who offers STEPS."""
    offer(desk)
    node: str = desk.create(name="n1")["uuid"]
    move(database, "manageable")
    return node


def move(database: Database, state: str, **columns: Any) -> None:
    values = {"provision_state": state, **columns}
    listed = ", ".join(f"{name} = %({name})s" for name in values)
    with database.begin() as transaction:
        transaction.connection.exec_driver_sql(f"UPDATE nodes SET {listed} WHERE name = 'n1'", values)  # noqa: S608


def plan(desk: Desk, target: str, **params: Any) -> dict[str, Any]:
    made: dict[str, Any] = desk.tell("create-plan", ident="n1", target=target, params=params)
    return made


def apply(desk: Desk, made: dict[str, Any]) -> dict[str, Any]:
    body = {"ident": "n1", "plan": made["uuid"], "api": {"minor": 115, "base_url": "http://x"}}
    headers = {"Steelyard-Idempotency-Id": str(uuid.uuid4())}
    subject = subjects.command(SITE, "inventory", "apply-plan")
    answer: dict[str, Any] = orjson.loads(desk.bus.request(subject, body, timeout_s=5, headers=headers))
    return answer


def state(desk: Desk) -> str:
    found: str = desk.ask("node", ident="n1", fields=["provision_state"])["provision_state"]
    return found


def clean(speed: Any = 3, **more: Any) -> list[dict[str, Any]]:
    return [{"interface": "bios", "step": "named", "args": {"speed": speed, **more}}]


def test_a_plan_lists_steps_in_order_with_effects_and_how_they_are_taken_back(desk: Desk, manageable: str) -> None:
    made = plan(desk, "provide")

    assert (made["kind"], made["node_uuid"], made["would_be_refused"]) == ("clean", manageable, [])
    assert [step["step"] for step in made["steps"]] == ["erase"]
    erase = made["steps"][0]
    assert (erase["source"], erase["priority"], erase["effects"], erase["undo"]) == (
        "driver", 10, ["erases the disks"], "there is none",
    )  # fmt: skip
    assert made["touches_disks"] == ["deploy.erase"]
    assert made["estimate"]["text"] == "unknown: none of these steps has run here yet"


def test_planning_begins_nothing_and_asks_nobody(desk: Desk, manageable: str) -> None:
    before = len(desk.bus.published)

    plan(desk, "provide")

    assert (len(desk.bus.published), state(desk)) == (before, "manageable")


def test_the_sites_own_history_says_how_long_it_will_take(desk: Desk, manageable: str, database: Database) -> None:
    with database.begin() as transaction:
        samples = {("deploy.erase", "fake-hardware"): [300.0, 400.0, 420.0, 440.0, 540.0]}
        history.add_durations(transaction.connection, samples, 200)

    made = plan(desk, "provide")

    assert (made["estimate"]["p50_s"], made["estimate"]["runs"]) == (420, 5)
    assert made["estimate"]["text"] == "about 7 min (80 % took 6–8 min)"
    assert made["steps"][0]["takes"] == made["estimate"]["text"]


def test_a_plan_is_kept_and_shown_and_other_nodes_do_not_have_it(desk: Desk, manageable: str) -> None:
    made = plan(desk, "provide")
    desk.create(name="n2")

    assert desk.ask("plan", ident="n1", plan=made["uuid"]) == made | {"applied_at": None}
    for ident, name in (("n2", made["uuid"]), ("n1", str(uuid.uuid4())), ("n1", "x")):
        with pytest.raises(NotFound):
            desk.ask("plan", ident=ident, plan=name)


def test_what_was_planned_is_done_once(desk: Desk, manageable: str) -> None:
    made = plan(desk, "clean", clean_steps=clean())

    assert apply(desk, made) == {"applied": True, "plan": made["uuid"], "differences": []}

    assert state(desk) == "cleaning"
    (run,) = desk.ask("node-workflows", ident="n1")["workflows"]
    assert [(step["interface"], step["step"], step["args"]) for step in run["steps"]] == [
        ("bios", "named", {"speed": 3})
    ]
    assert desk.ask("plan", ident="n1", plan=made["uuid"])["applied_at"] is not None
    with pytest.raises(Conflict, match="was applied"):
        apply(desk, made)


def test_a_node_that_changed_is_left_alone_and_the_differences_are_listed(
    desk: Desk, manageable: str, database: Database
) -> None:
    made = plan(desk, "provide")
    desk.patch("n1", ("add", "/extra/x", "1"))
    offer(desk, [*STEPS, row("bios.more", kinds={"clean": 20})])
    move(database, "manageable", retired=True)

    answer = apply(desk, made)

    assert (answer["applied"], state(desk)) == (False, "manageable")
    assert answer["differences"] == [
        "The node's record was changed: 1 then, 2 now.", "The node's retirement was switched: False then, True now.",
        "The steps that workers offer are others.", "The steps are others (new: bios.more).",
    ]  # fmt: skip


def test_a_worker_that_only_comes_back_changes_nothing(desk: Desk, manageable: str) -> None:
    made = plan(desk, "provide")
    offer(desk)

    assert apply(desk, made)["applied"]


def test_everything_that_would_stop_it_is_told_not_only_the_first(
    desk: Desk, manageable: str, database: Database
) -> None:
    move(database, "active", maintenance=True, protected=True)
    desk.tell("take-lease", ident="n1", purpose="inject NMI", ttl_s=20)

    made = plan(desk, "clean", clean_steps=[*clean(), *clean("fast"), {"interface": "bios", "step": "unheard"}])

    told = made["would_be_refused"]
    for word in ("locked", '"active"', "maintenance", "unheard", "speed"):
        assert sum(word in text for text in told) >= 1, (word, told)
    assert made["steps"] == []


def test_a_plan_that_would_be_refused_is_refused_when_it_is_applied(desk: Desk, manageable: str) -> None:
    made = plan(desk, "provide")
    desk.tell("take-lease", ident="n1", purpose="inject NMI", ttl_s=20)

    with pytest.raises(Busy):
        apply(desk, made)
    assert state(desk) == "manageable"


def test_an_obstacle_does_not_hide_the_steps(desk: Desk, manageable: str, database: Database) -> None:
    move(database, "manageable", retired=True)

    made = plan(desk, "provide")

    assert [step["step"] for step in made["steps"]] == ["erase"]
    assert [text for text in made["would_be_refused"] if "retired" in text] == made["would_be_refused"]


def test_secrets_among_the_arguments_are_not_shown(desk: Desk, manageable: str) -> None:
    made = plan(desk, "clean", clean_steps=clean(password=f"sealed:k1:{CANARY}"))

    assert made["steps"][0]["args"] == {"speed": 3, "password": "******"}
    assert CANARY not in orjson.dumps(desk.ask("plan", ident="n1", plan=made["uuid"])).decode()


@pytest.mark.parametrize("target", ["fly", ""])
def test_a_verb_that_there_is_not_can_not_be_planned(desk: Desk, manageable: str, target: str) -> None:
    with pytest.raises(InvalidRequest):
        plan(desk, target)


def test_a_node_that_there_is_not_can_not_be_planned_for(desk: Desk) -> None:
    with pytest.raises(NotFound):
        plan(desk, "provide")
