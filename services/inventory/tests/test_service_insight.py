"""Explanation, steps and workflows of a node, asked over the bus on a real database."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest
from steelyard_common.bus import Message
from steelyard_common.contracts import subjects
from steelyard_common.contracts.steps import Again, Done, Failed, Outcome, ResultMessage, StepMessage, Wait
from steelyard_common.db import Database
from steelyard_common.errors import DeviceRefused, DeviceUnreachable, InvalidRequest, NotFound
from steelyard_common.testing import SetClock
from steelyard_inventory.store import timeline as history
from steelyard_inventory.testing import SITE, Desk

CANARY = "canary-In-Mine-7731"


def answer(desk: Desk, *results: Any) -> None:
    """The provider's answer to the newest step message."""
    body = [each for each in desk.bus.published if each.subject.startswith(f"{SITE}.step.")][-1].body
    message = StepMessage.from_dict(orjson.loads(body))
    outcomes = [
        Outcome(index=step.index, attempt=step.attempt, result=result)
        for step, result in zip(message.steps, results, strict=False)
    ]
    said = ResultMessage(
        workflow=message.workflow, node=message.node["uuid"], fence=message.fence, provider="p", outcomes=outcomes
    )
    subject = subjects.result(SITE, message.workflow)
    desk.bus.publish([Message(subject=subject, body=orjson.dumps(said.to_dict()), msg_id=str(uuid.uuid4()))])
    desk.bus.deliver()


def verifying(desk: Desk, **more: Any) -> str:
    node: str = desk.create(name="n1", automated_clean=False, **more)["uuid"]
    desk.tell("set-provision", ident="n1", target="manage")
    return node


def commands(told: dict[str, Any]) -> list[str]:
    return [action["command"] for action in told["actions"]]


def test_an_idle_node_is_explained_with_its_next_command(desk: Desk) -> None:
    desk.create(name="n1")

    told = desk.ask("node-explain", ident="n1")

    assert (told["situation"], told["holder"], told["deadline"]) == ("idle", "nobody", None)
    assert commands(told)[0] == "baremetal node manage n1"


def test_a_step_that_is_out_is_named_with_who_asked_and_who_holds_the_node(desk: Desk, clock: SetClock) -> None:
    verifying(desk)
    clock.advance(7)

    told = desk.ask("node-explain", ident="n1")

    assert told["situation"] == "working"
    assert "Checking the BMC of n1 has been going on for 7 s, asked for by ada." in told["summary"]
    assert told["holder"].startswith("inventory-1.here (verify, since ")
    assert told["deadline"] is not None
    assert '"enroll"' in told["then"]


def test_a_retry_says_what_failed_and_when_it_is_tried_again(desk: Desk) -> None:
    verifying(desk)
    answer(desk, Failed(error=DeviceUnreachable("no route to 192.0.2.1")))

    told = desk.ask("node-explain", ident="n1")

    assert told["situation"] == "retrying"
    assert "The last try failed: no route to 192.0.2.1. It is tried again in 2 s" in told["summary"]


def test_a_wait_for_a_signal_is_told_with_its_deadline(desk: Desk) -> None:
    verifying(desk)
    answer(desk, Wait(signal="heartbeat", progress="booting"))

    told = desk.ask("node-explain", ident="n1")

    assert (told["situation"], told["waiting_for"]) == ("waiting", "the agent on the node to call")


def test_nobody_online_for_the_interface_is_told(desk: Desk) -> None:
    verifying(desk)
    desk.announce(online=False)

    told = desk.ask("node-explain", ident="n1")

    assert told["situation"] == "no-provider"
    assert "baremetal conductor list" in commands(told)


def test_a_lease_is_told_with_its_purpose(desk: Desk) -> None:
    desk.create(name="n1")
    desk.tell("take-lease", ident="n1", purpose="inject NMI", ttl_s=20, holder="power-1.here")

    told = desk.ask("node-explain", ident="n1")

    assert (told["situation"], told["waiting_for"]) == ("leased", "the end of “inject NMI”")


def test_a_failure_is_told_with_its_reason(desk: Desk) -> None:
    verifying(desk)
    answer(desk, Failed(error=DeviceRefused("bad password")))

    assert "bad password" in desk.ask("node-explain", ident="n1")["summary"]


def test_earlier_runs_say_how_long_it_will_still_take(desk: Desk, database: Database, clock: SetClock) -> None:
    samples = {
        ("power.verify", "fake-hardware"): [60.0, 90.0, 120.0],
        ("management.observe", "fake-hardware"): [30.0] * 3,
    }
    with database.begin() as transaction:
        history.add_durations(transaction.connection, samples, 200)
    verifying(desk)
    clock.advance(20)

    told = desk.ask("node-explain", ident="n1")

    assert told["estimate"]["p50_s"] == 100
    assert "Going by earlier runs, it should be done in about" in told["summary"]


def test_a_node_that_there_is_not_can_not_be_explained(desk: Desk) -> None:
    for verb in ("node-explain", "node-steps", "node-workflows"):
        with pytest.raises(NotFound):
            desk.ask(verb, ident="nobody")


# ---- steps


ERASE = {
    "interface": "deploy", "name": "erase", "description": "Erase the disks.", "kinds": {"clean": 10},
    "args": {"type": "object", "properties": {"passes": {"type": "integer", "description": "how often"}},
             "required": ["passes"]},
    "requires_ramdisk": True, "effects": ["erases the disks"], "implementations": ["fake"],
}  # fmt: skip


def test_the_steps_of_a_node_are_those_that_workers_of_its_group_announce_for_its_interfaces(desk: Desk) -> None:
    others = [ERASE | {"name": "other", "implementations": ["direct"]}, ERASE | {"name": "prepare", "core": True}]
    wash = ERASE | {"interface": "washing", "name": "wash", "implementations": []}
    desk.tell(
        "announce-steps.acme", instance="acme-1.here", service="acme", provides={"washing": ["acme"]}, steps=[wash]
    )  # fmt: skip
    desk.announce("boot-1.here", service="boot", provides={"deploy": ["fake", "direct"]}, steps=[ERASE, *others])
    desk.announce("boot-2.here", service="boot", provides={"deploy": ["fake"]}, steps=[ERASE])
    elsewhere = [ERASE | {"name": "far"}]
    desk.announce("boot-3.here", service="boot", conductor_group="x", provides={"deploy": ["fake"]}, steps=elsewhere)
    desk.create(name="n1")

    steps = desk.ask("node-steps", ident="n1")["steps"]

    assert [(step["interface"], step["step"]) for step in steps] == [("deploy", "erase"), ("washing", "wash")]
    erase = steps[0]
    assert erase["argsinfo"] == {"passes": {"description": "how often", "required": True}}
    assert (erase["services"], erase["requires_ramdisk"], erase["kinds"]) == (["boot"], True, {"clean": 10})
    assert erase["effects"] == ["erases the disks"]


# ---- workflows


def test_a_workflow_is_shown_with_its_steps_as_they_stand(desk: Desk) -> None:
    node = verifying(desk)
    answer(desk, Again(after_s=5, progress="half way", memo={"token": CANARY}))

    (shown,) = desk.ask("node-workflows", ident="n1")["workflows"]

    assert (shown["node_uuid"], shown["kind"], shown["status"]) == (node, "verify", "running")
    assert shown["cause"]["user"] == "ada"
    first, *_ = shown["steps"]
    assert (first["step"], first["status"], first["progress"]) == ("verify", "sleeping", "half way")
    assert first["deadline_at"] is not None
    assert CANARY not in orjson.dumps(shown).decode()
    assert desk.ask("workflow", uuid=shown["uuid"]) == shown


def test_workflows_come_in_pages_the_newest_first(desk: Desk, clock: SetClock) -> None:
    verifying(desk)
    for _ in range(2):
        answer(desk, Done(facts={"power_state": "power off"}))
    for target in ("provide", "manage") * 4:
        clock.advance(1)
        desk.bus.request(
            subjects.command(SITE, "inventory", "set-provision"), {"ident": "n1", "target": target}, timeout_s=5,
            headers={"Steelyard-Idempotency-Id": str(uuid.uuid4())},
        )  # fmt: skip

    seen: list[str] = []
    marker = None
    while True:
        page = desk.ask("node-workflows", ident="n1", limit=3, marker=marker)
        seen += [each["uuid"] for each in page["workflows"]]
        if "next" not in page:
            break
        marker = page["next"].rpartition("marker=")[2]

    whole = desk.ask("node-workflows", ident="n1")["workflows"]
    assert seen == [each["uuid"] for each in whole]
    assert len(seen) == len(set(seen)) > 3
    assert [each["created_at"] for each in whole] == sorted((each["created_at"] for each in whole), reverse=True)


def test_workflows_that_there_are_not_are_not_found(desk: Desk) -> None:
    desk.create(name="n1")
    for name in ("x", str(uuid.uuid4())):
        with pytest.raises(NotFound):
            desk.ask("workflow", uuid=name)
        with pytest.raises(NotFound):
            desk.ask("node-workflows", ident="n1", marker=name)
    with pytest.raises(InvalidRequest):
        desk.ask("node-workflows", ident="n1", limit=0)


# ---- who is not shown everything


def lessee(desk: Desk, *hidden: str) -> None:
    """From now on somebody asks who leases the node, and is not shown these fields of what another owns."""
    redacted = {"project": "p-lessee", "fields": {field: ["owner"] for field in hidden}}
    desk.caller = {"user": "bob", "request_id": "req-2", "visible": {"project": "p-lessee"}, "redacted": redacted}


def told_of_everything(desk: Desk) -> str:
    workflow = desk.ask("node-workflows", ident="n1")["workflows"][0]["uuid"]
    answers = [desk.ask(verb, ident="n1") for verb in ("node-explain", "node-workflows", "node-timeline")]
    answers.append(desk.ask("workflow", uuid=workflow))
    return orjson.dumps(answers).decode()


def test_a_lessee_learns_in_no_other_words_why_it_failed(desk: Desk) -> None:
    verifying(desk, lessee="p-lessee", owner="p-owner")
    answer(desk, Failed(error=DeviceRefused("bad password of admin")))
    desk.bus.deliver()
    assert told_of_everything(desk).count("bad password of admin") >= 4

    lessee(desk, "last_error")

    assert "bad password" not in told_of_everything(desk)
    (workflow,) = desk.ask("node-workflows", ident="n1")["workflows"]
    words = "** redacted: the policy asks for baremetal:node:get:last_error **"
    assert workflow["error"] == workflow["steps"][0]["error"] == words
    (step,) = (row for row in desk.ask("node-timeline", ident="n1")["timeline"] if row["kind"] == "step")
    assert step["detail"]["error"] == words


def test_a_lessee_learns_in_no_other_words_who_holds_the_node(desk: Desk) -> None:
    verifying(desk, lessee="p-lessee")
    workflow = desk.ask("node-workflows", ident="n1")["workflows"][0]["uuid"]

    lessee(desk, "reservation")

    told = desk.ask("node-explain", ident="n1")
    assert told["holder"].startswith("somebody (")
    assert "ada" not in told["summary"]
    assert desk.ask("workflow", uuid=workflow)["cause"] == {"origin": "api"}


def test_an_owner_is_told_all_that_the_policy_shows_to_owners(desk: Desk) -> None:
    verifying(desk, owner="p-lessee")
    answer(desk, Failed(error=DeviceRefused("bad password of admin")))

    lessee(desk, "last_error", "reservation")

    assert "bad password of admin" in desk.ask("node-explain", ident="n1")["summary"]
    assert desk.ask("node-workflows", ident="n1")["workflows"][0]["cause"]["user"] == "ada"
