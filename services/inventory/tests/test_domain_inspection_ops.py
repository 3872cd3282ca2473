"""Conditions and actions of inspection rules: every operator, by name and by position."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.errors import InvalidRequest
from steelyard_inventory.domain.inspection_ops import ACTIONS, CONDITIONS, Op, check_actions, check_conditions

SAMPLES: dict[str, Any] = {
    "values": [1, 2], "regex": "a+", "force_strings": True, "unique": False, "level": "INFO", "headers": {"a": "b"},
    "proxies": {}, "timeout": 5, "retries": 3, "backoff_factor": 0.3,
}  # fmt: skip


def sample(argument: str) -> Any:
    return SAMPLES.get(argument, "{node.x}")


def given(op: Op) -> dict[str, Any]:
    return {argument: sample(argument) for argument in op.required + op.optional}


def check(kind: str, item: Any) -> None:
    (check_conditions if kind == "conditions" else check_actions)([item])


EVERY = [("conditions", name, op) for name, op in CONDITIONS.items()] + [
    ("actions", name, op) for name, op in ACTIONS.items()
]


@pytest.mark.parametrize(("kind", "name", "op"), EVERY)
def test_every_operator_takes_its_arguments_by_name_and_by_position(kind: str, name: str, op: Op) -> None:
    named = given(op)
    required = {argument: named[argument] for argument in op.required}
    for args in (named, required, list(named.values()), list(required.values())):
        check(kind, {"op": name, "args": args})
        check(kind, {"op": name, "args": args, "loop": ["a"]})


@pytest.mark.parametrize(("kind", "name", "op"), EVERY)
def test_every_operator_refuses_too_few_and_too_many_arguments(kind: str, name: str, op: Op) -> None:
    named = given(op)
    too_few = list(named.values())[: len(op.required) - 1]
    for args, words in (
        ({}, "missing required"),
        (too_few, "missing required"),
        ([*named.values(), 1], "too many"),
        ({**named, "other": 1}, "unexpected argument 'other'"),
        (None, "'args' must be an object or a list"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            check(kind, {"op": name, "args": args})


@pytest.mark.parametrize(
    ("kind", "item", "words"),
    [
        ("conditions", {"op": "unknown", "args": []}, "must be one of eq"),
        ("conditions", {"op": "fail", "args": ["x"]}, "must be one of eq"),
        ("conditions", {"op": 1, "args": []}, "unsupported operator"),
        ("conditions", {"op": "eq", "args": {"values": [1]}}, "at least two"),
        ("conditions", {"op": "eq", "args": {"values": 1}}, "'values' must be a list"),
        ("conditions", {"op": "matches", "args": ["x", "("]}, "regular expression"),
        ("conditions", {"op": "is-true", "args": ["x"], "multiple": "some"}, "any, all, first, last"),
        ("conditions", {"op": "is-true", "args": ["x"], "loop": 3}, "'loop' must be"),
        ("conditions", {"op": "is-true"}, "'args' is a required"),
        ("conditions", {"args": []}, "'op' is a required"),
        ("conditions", {"op": "is-true", "args": ["x"], "colour": 1}, "'colour' is not one of"),
        ("conditions", "x", "must be an object"),
        ("actions", {"op": "!fail", "args": ["x"]}, "unsupported operator"),
        ("actions", {"op": "fail", "args": ["x"], "multiple": "any"}, "'multiple' is not one of"),
        ("actions", {"op": "log", "args": ["x", "loud"]}, "'level' must be one of"),
        ("actions", {"op": "add-trait", "args": [""]}, "'name' must be a name"),
        ("actions", {"op": "api-call", "args": {"url": "x", "timeout": -1}}, "'timeout' must be a number"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(kind: str, item: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        check(kind, item)
    assert f"{kind}[0]" in caught.value.message


def test_a_condition_may_be_turned_round_and_a_rule_needs_an_action() -> None:
    check_conditions([{"op": "!eq", "args": [[1, 2]]}, {"op": "! is-none", "args": ["x"], "multiple": "last"}])
    check_conditions([])
    with pytest.raises(InvalidRequest, match="at least one action"):
        check_actions([])
    for check_items in (check_actions, check_conditions):
        with pytest.raises(InvalidRequest, match="must be a list"):
            check_items({})
