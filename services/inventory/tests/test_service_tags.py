"""Tags of nodes, and lists filtered by them."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.errors import InvalidRequest, NotFound
from steelyard_inventory.domain import tags
from steelyard_inventory.testing import Desk


def tag(desk: Desk, ident: str, mode: str, *names: str) -> Any:
    return desk.tell("set-tags", ident=ident, mode=mode, tags=list(names))


def test_tags_are_set_added_and_removed_and_each_change_is_told_once(desk: Desk) -> None:
    uuid = desk.create(name="n1")["uuid"]
    told = len(desk.events(uuid))

    assert tag(desk, "n1", "replace", "b", "a", "a") == {"tags": ["a", "b"], "changed": True}
    assert tag(desk, "n1", "add", "b") == {"tags": ["a", "b"], "changed": False}
    assert tag(desk, "n1", "add", "c")["tags"] == ["a", "b", "c"]
    assert tag(desk, "n1", "remove", "a")["tags"] == ["b", "c"]
    with pytest.raises(NotFound, match="doesn't have a tag 'a'"):
        tag(desk, "n1", "remove", "a")

    assert desk.ask("node-tags", ident="n1") == {"tags": ["b", "c"]}
    facts = desk.events(uuid)[told:]
    assert [(name, data["changed"]) for name, data in facts] == [
        ("node-updated", {"tags": ["a", "b"]}),
        ("node-updated", {"tags": ["a", "b", "c"]}),
        ("node-updated", {"tags": ["b", "c"]}),
    ]


def test_tags_are_shown_only_to_who_asks_for_them(desk: Desk) -> None:
    desk.create(name="n1")
    tag(desk, "n1", "replace", "a")

    assert "tags" not in desk.ask("node", ident="n1")
    assert "tags" not in desk.list_nodes(detail=True)["nodes"][0]
    assert desk.ask("node", ident="n1", fields=["tags"])["tags"] == ["a"]
    assert desk.list_nodes(fields=["name", "tags"])["nodes"][0]["tags"] == ["a"]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"tags": ["a"]}, {"ab", "a"}),
        ({"tags": ["a", "b"]}, {"ab"}),
        ({"tags-any": ["a", "b"]}, {"ab", "a", "b"}),
        ({"not-tags": ["a", "b"]}, {"a", "b", "none"}),
        ({"not-tags-any": ["a", "b"]}, {"none"}),
        ({"tags": ["a"], "not-tags": ["b"]}, {"a"}),
    ],
)
def test_lists_are_filtered_by_tags(desk: Desk, filters: dict[str, list[str]], names: set[str]) -> None:
    for name, own in (("ab", ["a", "b"]), ("a", ["a"]), ("b", ["b"]), ("none", [])):
        desk.create(name=name)
        tag(desk, name, "replace", *own)

    assert {node["name"] for node in desk.list_nodes(filters=filters)["nodes"]} == names


@pytest.mark.parametrize("word", ["", "x" * 61, "a/b", "a,b", "a\nb"])
def test_a_word_that_is_no_tag_is_refused(word: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid tag"):
        tags.check(word)


def test_a_node_has_80_tags_at_most() -> None:
    most = [f"t{number}" for number in range(80)]

    assert len(tags.new_tags("n", [], "replace", most)) == 80
    with pytest.raises(InvalidRequest, match="more than 80 tags"):
        tags.new_tags("n", most, "add", ["one more"])
