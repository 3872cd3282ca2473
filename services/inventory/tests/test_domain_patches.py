"""JSON Patch and sealed secrets: pure rules."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import MASK
from steelyard_inventory.domain.patches import apply, parse
from steelyard_inventory.domain.sealing import joined, split, with_kept_secrets

ROOTS = ("extra", "name", "driver_info")
DOCUMENT: dict[str, Any] = {"name": "n1", "extra": {"list": [1, 2, 3], "a": {"b": 1}, "x/y": 1}, "driver_info": {}}


def patched(*operations: tuple[Any, ...], minor: int = 115) -> dict[str, Any]:
    body = [dict(zip(("op", "path", "value"), each, strict=False)) for each in operations]
    return apply(DOCUMENT, parse(body, allowed=ROOTS, minor=minor))


@pytest.mark.parametrize(
    ("operations", "extra"),
    [
        ([("add", "/extra/new", 5)], {"list": [1, 2, 3], "a": {"b": 1}, "x/y": 1, "new": 5}),
        ([("add", "/extra/a/b", 5)], {"list": [1, 2, 3], "a": {"b": 5}, "x/y": 1}),
        ([("replace", "/extra/a/b", None)], {"list": [1, 2, 3], "a": {"b": None}, "x/y": 1}),
        ([("remove", "/extra/a")], {"list": [1, 2, 3], "x/y": 1}),
        ([("add", "/extra/list/0", 0)], {"list": [0, 1, 2, 3], "a": {"b": 1}, "x/y": 1}),
        ([("add", "/extra/list/3", 4)], {"list": [1, 2, 3, 4], "a": {"b": 1}, "x/y": 1}),
        ([("add", "/extra/list/-", 4)], {"list": [1, 2, 3, 4], "a": {"b": 1}, "x/y": 1}),
        ([("replace", "/extra/list/1", 9)], {"list": [1, 9, 3], "a": {"b": 1}, "x/y": 1}),
        ([("remove", "/extra/list/2")], {"list": [1, 2], "a": {"b": 1}, "x/y": 1}),
        ([("replace", "/extra/x~1y", 2)], {"list": [1, 2, 3], "a": {"b": 1}, "x/y": 2}),
        ([("add", "/extra", {"q": 1}), ("add", "/extra/r", 2)], {"q": 1, "r": 2}),
        ([("add", "/extra/o", {}), ("add", "/extra/o/p", 1), ("remove", "/extra/o/p")],
         {"list": [1, 2, 3], "a": {"b": 1}, "x/y": 1, "o": {}}),
    ],
)  # fmt: skip
def test_operations_apply_in_order_below_a_root(operations: list[tuple[Any, ...]], extra: dict[str, Any]) -> None:
    before = copy.deepcopy(DOCUMENT)

    assert patched(*operations)["extra"] == extra
    assert before == DOCUMENT


def test_a_removed_root_is_left_out_and_may_be_added_again() -> None:
    assert "extra" not in patched(("remove", "/extra"))
    assert patched(("remove", "/extra"), ("add", "/extra", {}))["extra"] == {}


def test_an_empty_patch_changes_nothing() -> None:
    assert patched() == DOCUMENT


@pytest.mark.parametrize(
    "operations",
    [
        [("replace", "/extra/missing", 1)],
        [("remove", "/extra/missing")],
        [("add", "/extra/missing/below", 1)],
        [("add", "/extra/list/4", 1)],
        [("add", "/extra/list/x", 1)],
        [("add", "/extra/list/01", 1)],
        [("replace", "/extra/list/-", 1)],
        [("replace", "/extra/list/3", 1)],
        [("remove", "/extra/list/3")],
        [("add", "/name/below", 1)],
        [("add", "/extra/a/b/c", 1)],
        [("add", "/extra/list/0/c", 1)],
        [("remove", "/extra"), ("add", "/extra/a", 1)],
        [("remove", "/extra"), ("remove", "/extra")],
        [("remove", "/extra"), ("replace", "/extra", {})],
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(operations: list[tuple[Any, ...]]) -> None:
    with pytest.raises(InvalidRequest, match="Couldn't apply patch"):
        patched(*operations)


@pytest.mark.parametrize(
    "body",
    [
        {}, "x", None, [1], [{}], [{"op": "test", "path": "/name", "value": 1}], [{"op": "move", "path": "/name"}],
        [{"op": ["add"], "path": "/name", "value": 1}], [{"op": "add", "path": "name", "value": 1}],
        [{"op": "add", "path": "", "value": 1}], [{"op": "add", "path": "/", "value": 1}],
        [{"op": "add", "path": "/extra/", "value": 1}], [{"op": "add", "path": "/extra/a.b", "value": 1}],
        [{"op": "add", "path": 5, "value": 1}], [{"op": "add", "path": "/name"}],
        [{"op": "add", "path": "/extra/~2", "value": 1}], [{"op": "add", "path": "/extra/~", "value": 1}],
    ],
)  # fmt: skip
def test_what_is_no_patch_is_refused(body: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse(body, allowed=ROOTS, minor=115)


def test_only_listed_roots_may_be_patched_and_the_answer_lists_them() -> None:
    with pytest.raises(InvalidRequest, match=r"Cannot patch /uuid\. Only the following can be updated: extra, name"):
        patched(("replace", "/uuid", "x"))


def test_escaped_keys_come_with_their_version() -> None:
    with pytest.raises(InvalidRequest, match="does not match"):
        patched(("replace", "/extra/x~1y", 2), minor=97)


def test_no_error_repeats_a_value() -> None:
    with pytest.raises(InvalidRequest) as raised:
        patched(("replace", "/driver_info/password", "hunter2"))
    assert "hunter2" not in raised.value.message


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "list", "0"]), inner),
    max_leaves=6,
)
_OPERATIONS = st.lists(
    st.fixed_dictionaries({
        "op": st.sampled_from(["add", "replace", "remove"]),
        "path": st.lists(st.sampled_from(["extra", "list", "a", "b", "0", "1", "-", "name"]), min_size=1, max_size=4)
                  .map(lambda parts: "/" + "/".join(parts)),
        "value": _JSON,
    }),
    max_size=4,
)  # fmt: skip


@given(body=_OPERATIONS)
def test_any_patch_is_applied_or_refused_and_never_touches_the_original(body: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(DOCUMENT)
    with contextlib.suppress(InvalidRequest):
        apply(DOCUMENT, parse(body, allowed=ROOTS, minor=115))
    assert before == DOCUMENT


# ---- sealed secrets


def test_a_secret_is_kept_apart_from_what_is_shown() -> None:
    whole = {"address": "x", "password": "sealed:k:1", "snmp": [{"auth/key": "sealed:k:2"}]}

    shown, sealed = split("driver_info", whole)

    assert shown == {"address": "x", "password": MASK, "snmp": [{"auth/key": MASK}]}
    assert sealed == {"/password": "sealed:k:1", "/snmp/0/auth~1key": "sealed:k:2"}
    assert joined(shown, sealed) == whole


def test_a_configdrive_is_never_shown_whatever_it_holds() -> None:
    shown, sealed = split("instance_info", {"configdrive": {"user_data": "x"}, "image_url": "http://u:p@h", "a": 1})

    assert shown == {"configdrive": MASK, "image_url": MASK, "a": 1}
    assert sealed == {"/configdrive": {"user_data": "x"}, "/image_url": "http://u:p@h"}
    assert joined(shown, sealed)["configdrive"] == {"user_data": "x"}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("/driver_info/password", MASK, "sealed:k:1"),
        ("/driver_info", {"password": MASK, "user": "u"}, {"password": "sealed:k:1", "user": "u"}),
        ("/driver_info", {"other": MASK}, {"other": MASK}),
        ("/driver_info/password", "sealed:k:9", "sealed:k:9"),
        ("/driver_info/other", MASK, MASK),
        ("/extra/password", MASK, MASK),
    ],
)
def test_a_mask_sent_back_keeps_the_secret_that_stood_there(path: str, value: Any, expected: Any) -> None:
    [operation] = parse([{"op": "add", "path": path, "value": value}], allowed=ROOTS, minor=115)

    kept = with_kept_secrets(operation, {"driver_info": {"/password": "sealed:k:1"}})

    assert kept.value == expected
