"""Deploy templates, runbooks, inspection rules: their records, their secrets, what is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from steelyard_common.contracts.api import Field
from steelyard_common.contracts.recipes import DEPLOY_TEMPLATE_FIELDS, INSPECTION_RULE_FIELDS, RUNBOOK_FIELDS
from steelyard_common.errors import Conflict, InvalidRequest, NotFound
from steelyard_common.secrets import MASK
from steelyard_inventory.store.tables import deploy_templates
from steelyard_inventory.testing import BASE_URL, Desk, operations_of

NOWHERE = "6f4a3a52-2f73-4b5a-9f0e-000000000000"
STEP = {"interface": "raid", "step": "create_configuration", "args": {}, "priority": 10}
RUN = {"interface": "bios", "step": "apply", "args": {"settings": []}, "order": 1}
RULE = {"op": "set-attribute", "args": {"path": "/properties/cpus", "value": "{inventory[cpu]}"}}
FAILING = {"op": "fail", "args": {"msg": "no"}}
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Field]]] = {
    "deploy-template": ("deploy_templates", {"name": "CUSTOM_T", "steps": [STEP]}, DEPLOY_TEMPLATE_FIELDS),
    "runbook": ("runbooks", {"name": "CUSTOM_R", "steps": [RUN]}, RUNBOOK_FIELDS),
    "inspection-rule": ("inspection_rules", {"actions": [RULE]}, INSPECTION_RULE_FIELDS),
}


def make(desk: Desk, word: str, minor: int = 115, **more: Any) -> Any:
    record = {**KINDS[word][1], **more}
    return desk.tell(f"create-{word}", minor=minor, record={k: v for k, v in record.items() if v is not None})


def patch(desk: Desk, word: str, ident: str, *operations: tuple[Any, ...], minor: int = 115) -> Any:
    return desk.tell(f"update-{word}", ident=ident, patch=operations_of(operations), minor=minor)


def listed(desk: Desk, word: str, **asked: Any) -> Any:
    plural = KINDS[word][0]
    return desk.ask(plural.replace("_", "-"), resource_url=plural, **asked)[plural]


def step(name: str, **args: Any) -> dict[str, Any]:
    return {**STEP, "step": name, "args": args}


def sealed_of(desk: Desk) -> Any:
    with desk.database.read() as connection:
        return connection.execute(deploy_templates.select()).mappings().one()["sealed"]


@pytest.mark.parametrize("word", KINDS)
def test_a_record_is_answered_whole_listed_told_and_deleted(desk: Desk, word: str) -> None:
    plural, given, fields = KINDS[word]

    made = make(desk, word)

    assert set(made) == set(fields) | {"links"}
    assert made.items() >= {name: value for name, value in given.items() if name != "conditions"}.items()
    assert made["links"][0] == {"href": f"{BASE_URL}/v1/{plural}/{made['uuid']}", "rel": "self"}
    assert desk.ask(word, ident=made["uuid"]) == made
    assert [each["uuid"] for each in listed(desk, word)] == [made["uuid"]]
    assert listed(desk, word, detail=True) == [made]
    desk.tell(f"delete-{word}", ident=made["uuid"])
    assert listed(desk, word) == []
    with pytest.raises(NotFound, match="could not be found"):
        desk.ask(word, ident=made["uuid"])
    assert [fact for fact, _ in desk.events(made["uuid"])] == [f"{word}-created", f"{word}-deleted"]


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("deploy-template", {"uuid", "name"}),
        ("runbook", {"uuid", "name"}),
        ("inspection-rule", {"uuid", "priority", "phase", "description"}),
    ],
)
def test_lists_show_few_fields_unless_asked(desk: Desk, word: str, fields: set[str]) -> None:
    make(desk, word)
    assert set(listed(desk, word)[0]) == fields | {"links"}
    assert set(listed(desk, word, fields=["created_at"])[0]) == {"created_at", "links"}


@pytest.mark.parametrize("word", ["deploy-template", "runbook"])
def test_names_are_unique_and_say_which(desk: Desk, word: str) -> None:
    made = make(desk, word)
    with pytest.raises(Conflict, match=f"with name {made['name']} already exists"):
        make(desk, word)
    make(desk, word, name="CUSTOM_OTHER")
    with pytest.raises(Conflict, match=f"with name {made['name']} already exists"):
        patch(desk, word, "CUSTOM_OTHER", ("replace", "/name", made["name"]))
    assert desk.ask(word, ident="CUSTOM_OTHER")["name"] == "CUSTOM_OTHER"


@pytest.mark.parametrize(
    ("word", "given", "words"),
    [
        ("deploy-template", {"name": "not a trait"}, "must be a standard trait"),
        ("deploy-template", {"steps": []}, "at least one step"),
        ("deploy-template", {"steps": None}, "required property"),
        ("deploy-template", {"steps": [STEP, STEP]}, "more than once"),
        ("deploy-template", {"steps": [{**STEP, "interface": "network"}]}, "'interface' must be one of"),
        ("deploy-template", {"steps": [{**STEP, "priority": -1}]}, "'priority' must be a whole number"),
        ("deploy-template", {"steps": [{**STEP, "priority": True}]}, "'priority' must be a whole number"),
        ("deploy-template", {"steps": [{**STEP, "order": 1}]}, "'order' is not part of a step"),
        ("deploy-template", {"steps": [{**STEP, "args": []}]}, "'args' must be an object"),
        ("deploy-template", {"steps": [{"interface": "raid", "step": "x", "priority": 1}]}, "'args' is a required"),
        ("deploy-template", {"steps": ["x"]}, "must be an object"),
        ("deploy-template", {"description": "x" * 256}, "longer than 255"),
        ("runbook", {"steps": [{**RUN, "order": None}]}, "'order' must be a whole number"),
        ("runbook", {"name": "in valid"}, "a logical name"),
        ("runbook", {"owner": "ada", "public": True}, "Cannot have an owner when public"),
        ("inspection-rule", {"actions": []}, "at least one action"),
        ("inspection-rule", {"priority": -1}, "priority must be from 0"),
        ("inspection-rule", {"phase": "later"}, "valid phases are: main"),
        ("inspection-rule", {"uuid": "x"}, "Expected UUID"),
    ],
)
def test_a_record_that_cannot_be_is_refused(desk: Desk, word: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        make(desk, word, **given)
    assert listed(desk, word) == []


def test_runbooks_have_trait_names_before_free_ones_came(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="Runbook name must be a standard trait"):
        make(desk, "runbook", minor=111, name="free-name")
    assert make(desk, "runbook", name="free-name")["name"] == "free-name"
    shown = patch(desk, "runbook", "free-name", ("add", "/disable_ramdisk", True), minor=111)
    assert shown["disable_ramdisk"] is True
    assert "traits" not in shown
    assert "description" not in shown


def test_a_runbook_made_public_belongs_to_nobody(desk: Desk) -> None:
    make(desk, "runbook", owner="ada")
    with pytest.raises(InvalidRequest, match="Cannot have an owner"):
        patch(desk, "runbook", "CUSTOM_R", ("add", "/public", True), ("add", "/owner", "bob"))
    after = patch(desk, "runbook", "CUSTOM_R", ("add", "/public", True))
    assert (after["public"], after["owner"]) == (True, None)
    with pytest.raises(InvalidRequest, match="Cannot have an owner"):
        patch(desk, "runbook", "CUSTOM_R", ("add", "/owner", "ada"))
    after = patch(desk, "runbook", "CUSTOM_R", ("remove", "/public"), ("add", "/owner", "ada"))
    assert (after["public"], after["owner"]) == (False, "ada")


def test_a_project_sees_its_runbooks_and_public_ones(desk: Desk) -> None:
    for name, more in (("CUSTOM_A", {"owner": "ada"}), ("CUSTOM_B", {"owner": "bob"}), ("CUSTOM_C", {"public": True})):
        make(desk, "runbook", name=name, **more)
    assert [each["name"] for each in listed(desk, "runbook", filters={"project": "ada"})] == ["CUSTOM_A", "CUSTOM_C"]


def test_a_runbook_has_traits_and_removing_what_is_not_there_is_no_error(desk: Desk) -> None:
    make(desk, "runbook")

    def traits(mode: str, *names: str) -> Any:
        desk.tell("set-runbook-traits", ident="CUSTOM_R", mode=mode, traits=list(names))
        return desk.ask("runbook-traits", ident="CUSTOM_R")["traits"]

    assert traits("replace", "CUSTOM_Z", "CUSTOM_A") == ["CUSTOM_A", "CUSTOM_Z"]
    assert traits("add", "CUSTOM_B") == ["CUSTOM_A", "CUSTOM_B", "CUSTOM_Z"]
    assert traits("remove", "CUSTOM_B", "CUSTOM_NONE") == ["CUSTOM_A", "CUSTOM_Z"]
    assert desk.ask("runbook", ident="CUSTOM_R")["traits"] == ["CUSTOM_A", "CUSTOM_Z"]
    assert traits("clear") == []
    with pytest.raises(InvalidRequest, match="Invalid trait"):
        traits("add", "gold")


def test_secrets_in_steps_are_never_shown_or_told_and_survive_changes(desk: Desk) -> None:
    steps = [step("one", password="sealed:k1:one"), step("two", nested={"token": "sealed:k1:two"})]
    made = make(desk, "deploy-template", steps=steps)

    assert made["steps"][0]["args"] == {"password": MASK}
    assert made["steps"][1]["args"] == {"nested": {"token": MASK}}
    swapped = patch(desk, "deploy-template", "CUSTOM_T", ("replace", "/steps", made["steps"][::-1]))
    assert [each["step"] for each in swapped["steps"]] == ["two", "one"]
    assert sealed_of(desk) == {"steps": {"/0/args/nested/token": "sealed:k1:two", "/1/args/password": "sealed:k1:one"}}
    patch(desk, "deploy-template", "CUSTOM_T", ("remove", "/steps/0"), ("add", "/steps/-", step("new", password=MASK)))
    assert sealed_of(desk) == {"steps": {"/0/args/password": "sealed:k1:one"}}
    assert b"sealed:" not in b"".join(message.body for message in desk.bus.published)
    assert desk.events(made["uuid"])[-1][1]["changed_objects"] == ["steps"]


def test_steps_can_be_patched_one_by_one(desk: Desk) -> None:
    make(desk, "deploy-template")
    after = patch(
        desk, "deploy-template", "CUSTOM_T", ("add", "/steps/-", step("two")), ("replace", "/steps/0/priority", "7")
    )
    assert [(each["step"], each["priority"]) for each in after["steps"]] == [("create_configuration", 7), ("two", 10)]
    with pytest.raises(InvalidRequest, match="at least one step"):
        patch(desk, "deploy-template", "CUSTOM_T", ("remove", "/steps"))
    with pytest.raises(InvalidRequest, match="outside the list"):
        patch(desk, "deploy-template", "CUSTOM_T", ("replace", "/steps/9", STEP))
    assert len(desk.ask("deploy-template", ident="CUSTOM_T")["steps"]) == 2


def test_a_sensitive_rule_hides_what_it_does_and_stays_sensitive(desk: Desk) -> None:
    made = make(desk, "inspection-rule", sensitive=True, conditions=[{"op": "is-true", "args": ["{x}"]}])
    uuid = made["uuid"]

    for answer in (made, desk.ask("inspection-rule", ident=uuid), listed(desk, "inspection-rule", detail=True)[0]):
        assert (answer["conditions"], answer["actions"], answer["sensitive"]) == (None, None, True)
    for operation in (("replace", "/sensitive", False), ("remove", "/sensitive")):
        with pytest.raises(InvalidRequest, match="sensitive flag unset"):
            patch(desk, "inspection-rule", uuid, operation)
    assert patch(desk, "inspection-rule", uuid, ("replace", "/priority", 5))["priority"] == 5
    assert b"properties/cpus" not in orjson.dumps(desk.events(uuid))


def test_a_rule_keeps_the_secrets_of_actions_that_did_not_change(desk: Desk) -> None:
    call = {"op": "api-call", "args": {"url": "https://x", "headers": {"X-Auth-Token": "sealed:k1:aa"}}}
    made = make(desk, "inspection-rule", actions=[call])
    after = patch(desk, "inspection-rule", made["uuid"], ("replace", "/actions", [FAILING, *made["actions"]]))
    assert after["actions"][1]["args"]["headers"] == {"X-Auth-Token": MASK}
    assert patch(desk, "inspection-rule", made["uuid"], ("remove", "/actions/0"))["actions"] == made["actions"]


def test_rules_have_no_names_and_are_listed_by_phase(desk: Desk) -> None:
    made = make(desk, "inspection-rule", priority=3)
    assert listed(desk, "inspection-rule", filters={"phase": "main"})[0]["uuid"] == made["uuid"]
    assert listed(desk, "inspection-rule", filters={"phase": "late"}) == []
    assert listed(desk, "inspection-rule", sort_key="priority", sort_dir="desc")[0]["priority"] == 3
    with pytest.raises(NotFound):
        patch(desk, "inspection-rule", "CUSTOM_R", ("add", "/priority", 1))


def test_a_patch_of_what_may_not_change_is_refused(desk: Desk) -> None:
    for word in KINDS:
        uuid = make(desk, word)["uuid"]
        with pytest.raises(InvalidRequest, match="Only the following can be updated"):
            patch(desk, word, uuid, ("replace", "/uuid", NOWHERE))
        assert patch(desk, word, uuid)["updated_at"] is None
