"""Every verb of the `baremetal` command, as it comes from PyPI, driven against a running suite with fake hardware."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from steelyard_local.testing import RunningSuite

from .cli_verbs import MAC, THEMES, Row
from .operator import Operator
from .warm_baremetal import WarmClient, warm_baremetal

# verb → why there is nothing on fake hardware that it could do: rows show what it is told instead.
ONLY_REFUSED = {
    "node bios setting show": "fake hardware has no BIOS settings",
    "driver passthru call": "no driver has methods of its own",
    "node inject nmi": "Ironic's fake takes none either; a simulated machine does in test_clients.py",
}


def _verbs() -> set[str]:
    """The command's own list."""
    return {
        entry.name.removeprefix("baremetal_").replace("_", " ")
        for entry in entry_points(group="openstack.baremetal.v1")
    }


@pytest.fixture(scope="module")
def client(shared_suite: RunningSuite) -> Iterator[WarmClient]:
    with warm_baremetal(shared_suite) as client:
        yield client


def test_every_verb_that_the_command_has_is_driven_or_excused() -> None:
    verbs = _verbs()
    rows = [row for theme in THEMES.values() for row in theme]
    driven = {row.verb(verbs) for row in rows if row.refused is None}
    refused = {row.verb(verbs) for row in rows if row.refused is not None}

    assert len(verbs) > 110
    assert verbs - driven == set(ONLY_REFUSED)
    assert refused >= ONLY_REFUSED.keys()


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
def test_the_commands_do_what_they_say(theme: str, shared: RunningSuite, client: WarmClient, tmp_path: Path) -> None:
    operator, kept = Operator(shared.url), {"file": str(_a_file(tmp_path))}
    for row in THEMES[theme]:
        _drive(row, client, operator, kept)


def _a_file(folder: Path) -> Path:
    file = folder / "resources.json"
    node = {"name": "from-file", "driver": "fake-hardware", "ports": [{"address": MAC.format(77)}]}
    file.write_text(json.dumps({"nodes": [node]}))
    return file


def _drive(row: Row, client: WarmClient, operator: Operator, kept: dict[str, str]) -> None:
    line = _filled(row.line, kept)
    words = shlex.split(line)
    if row.shows or row.lists or row.keeps:
        words += [] if "-f" in words else ["-f", "json"]
    said = client.call(words)
    if row.refused is not None:
        assert said.status != 0, f"{line} succeeded: {said.out}"
        assert _filled(row.refused, kept) in said.err + said.out, line
        return
    assert said.status == 0, f"{line}: {said.err}{said.out}"
    if row.says is not None:
        assert _filled(row.says, kept) in said.out, line
    if row.shows or row.lists or row.keeps:
        _judge(row, line, json.loads(said.out), kept)
    if row.becomes:
        operator.wait(row.of, lambda node: all(_is(node[name], value) for name, value in row.becomes.items()))


def _is(value: Any, wanted: Any) -> bool:
    """True is wanted: anything that is not nothing."""
    return bool(value) if wanted is True else bool(value == wanted)


def _judge(row: Row, line: str, answer: Any, kept: dict[str, str]) -> None:
    if row.lists is not None:
        column, wanted = row.lists
        found = [{key.lower(): value for key, value in each.items()}.get(column) for each in answer]
        assert found == [_filled(each, kept) for each in wanted], line
    for name, value in row.shows.items():
        assert answer[name] == json.loads(_filled(json.dumps(value), kept)), f"{line}: {name}"
    if row.keeps:
        one = answer[0] if isinstance(answer, list) else answer
        kept[row.keeps] = next(value for key, value in one.items() if key.lower() in ("uuid", "hostname"))


def _filled(text: str, kept: dict[str, str]) -> str:
    """JSON has braces of its own: only what was kept is put in."""
    for name, value in kept.items():
        text = text.replace("{" + name + "}", value)
    return text
