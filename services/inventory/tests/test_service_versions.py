"""ETags and If-Match: a change that was meant for what the record was is refused when it is no longer that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from steelyard_common.bus import CALLER
from steelyard_common.bus.types import TAG
from steelyard_common.contracts import subjects
from steelyard_common.errors import PreconditionFailed
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import BASE_URL, SITE, Desk

STEP = {"interface": "bios", "step": "reset", "args": {}, "priority": 1}
# (word, what makes one, a patch)
KINDS: list[tuple[str, Callable[[str], dict[str, Any]], tuple[str, Any]]] = [
    ("port", lambda node: {"node_uuid": node, "address": "aa:bb:cc:dd:ee:01"}, ("/extra", {"a": 1})),
    ("portgroup", lambda node: {"node_uuid": node}, ("/extra", {"a": 1})),
    ("volume-connector", lambda node: {"node_uuid": node, "type": "iqn", "connector_id": "c"}, ("/extra", {"a": 1})),
    (
        "volume-target",
        lambda node: {"node_uuid": node, "volume_type": "iscsi", "volume_id": "v", "boot_index": 0},
        ("/extra", {"a": 1}),
    ),
    ("chassis", lambda _: {}, ("/description", "d")),
    ("deploy-template", lambda _: {"name": "CUSTOM_T", "steps": [STEP]}, ("/extra", {"a": 1})),
    (
        "runbook",
        lambda _: {"name": "CUSTOM_R", "steps": [{"interface": "bios", "step": "reset", "args": {}, "order": 1}]},
        ("/extra", {"a": 1}),
    ),
    ("inspection-rule", lambda _: {"actions": [{"op": "fail", "args": {"msg": "x"}}]}, ("/description", "d")),
    ("allocation", lambda _: {"resource_class": "x"}, ("/extra", {"a": 1})),
]


@dataclass
class Told:
    """An answer, with the tag beside it."""

    body: Any
    tag: str | None

    @property
    def version(self) -> str:
        assert self.tag is not None
        return self.tag.strip('"').partition("-")[0]


def ask(desk: Desk, kind: str, verb: str, if_match: str | None = None, **body: Any) -> Told:
    who: dict[str, Any] = {"user": "ada", "request_id": "req-1"}
    if if_match is not None:
        who["if_match"] = [if_match]
    subject = {"qry": subjects.query, "cmd": subjects.command}[kind](SITE, "inventory", verb)
    whole = {"api": {"minor": 115, "base_url": BASE_URL}, **body}
    headers = {CALLER: orjson.dumps(who).decode()}
    told: dict[str, str] = {}
    reply = desk.bus.request(subject, whole, timeout_s=10, headers=headers, told=told)
    return Told(orjson.loads(reply), told.get(TAG))


@pytest.mark.parametrize(("word", "body", "change"), KINDS, ids=[word for word, _, _ in KINDS])
def test_each_record_takes_a_change_for_what_it_is_and_refuses_one_for_what_it_was(
    desk: Desk, word: str, body: Callable[[str], dict[str, Any]], change: tuple[str, Any]
) -> None:
    made = body(desk.create(name="n1")["uuid"])
    with desk.database.begin() as transaction:  # volumes change only while the machine is off
        transaction.connection.execute(nodes.update().values(power_state="power off"))
    noun = "port" if word == "port" else "record"
    first = ask(desk, "cmd", f"create-{word}", if_match=None, **{noun: made})
    uuid = first.body["uuid"]
    patch = [{"op": "add", "path": change[0], "value": change[1]}]

    shown = ask(desk, "qry", word, ident=uuid)
    assert shown.version == first.version
    changed = ask(desk, "cmd", f"update-{word}", first.version, ident=uuid, patch=patch)
    assert changed.version != first.version
    for verb, more in ((f"update-{word}", {"patch": patch}), (f"delete-{word}", {})):
        with pytest.raises(PreconditionFailed, match="Read it again"):
            ask(desk, "cmd", verb, first.version, ident=uuid, **more)
    ask(desk, "cmd", f"delete-{word}", changed.version, ident=uuid)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("update-node", {"patch": [{"op": "add", "path": "/extra/a", "value": 1}]}),
        ("set-maintenance", {"on": True}),
        ("set-traits", {"mode": "replace", "traits": ["CUSTOM_A"]}),
        ("set-tags", {"mode": "replace", "tags": ["a"]}),
        ("set-power", {"target": "power on"}),
        ("set-provision", {"target": "manage"}),
        ("delete-node", {}),
    ],
)
def test_every_change_of_a_node_can_be_meant_for_one_version(desk: Desk, verb: str, body: dict[str, Any]) -> None:
    first = ask(desk, "cmd", "create-node", node={"driver": "fake-hardware", "name": "n1"}).version
    desk.patch("n1", ("add", "/description", "somebody else was here"))
    told = len(desk.events())

    with pytest.raises(PreconditionFailed):
        ask(desk, "cmd", verb, first, ident="n1", **body)

    assert len(desk.events()) == told
    ask(desk, "cmd", verb, ask(desk, "qry", "node", ident="n1").version, ident="n1", **body)


def test_what_changes_nothing_leaves_the_version(desk: Desk) -> None:
    desk.create(name="n1", description="d")
    first = ask(desk, "qry", "node", ident="n1").version

    desk.patch("n1", ("replace", "/description", "d"))

    assert ask(desk, "qry", "node", ident="n1").version == first


def test_lists_have_no_version(desk: Desk) -> None:
    desk.create(name="n1")

    assert ask(desk, "qry", "nodes", resource_url="nodes").tag is None
