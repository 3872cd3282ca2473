"""What many machines are told together is what each would be told alone; whoever is out of the ordinary asks alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from steelyard_boot.domain.boot_model import Drive, Purpose
from steelyard_boot.domain.composing import Site as SiteRules
from steelyard_boot.domain.node_for_boot import BootOf, Volumes
from steelyard_boot.domain.waterfall import Note
from steelyard_boot.drivers.loaders import Loaders
from steelyard_boot.handlers import boot_scripts
from steelyard_boot.handlers.boot_desks import desks
from steelyard_boot.handlers.http import make_app
from steelyard_boot.service.boots import Boots
from steelyard_boot.service.scripts import Scripts
from steelyard_boot.store import boots as store
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest
from steelyard_common.http.at_once import Question
from steelyard_common.testing import SetClock

from services.boot.tests.boot_stage import BASE, MAC, SYSTEM, NoMedia, agent, machine

NODE = "00000000-0000-4000-8000-0000000000{:02x}"
HEX = MAC.replace(":", "-")


@dataclass
class Stage:
    """The same scripts behind the desks and behind the pages."""

    boots: Boots
    scripts: Scripts
    notes: list[Note]

    def together(self, *queries: str, address: str = "127.0.0.1") -> Sequence[bytes | None]:
        answer = desks(self.scripts)["/ipxe"].answer
        assert not isinstance(answer, bytes)
        return answer([Question("/ipxe", query, address, keeps=False) for query in queries])

    def alone(self, path: str) -> tuple[int, bytes, str | None]:
        client = make_app([boot_scripts.blueprint(self.scripts, Loaders())]).test_client()
        answer = client.get(path)
        return answer.status_code, answer.data, answer.content_type


@pytest.fixture
def stage(database: Database, clock: SetClock) -> Stage:
    notes: list[Note] = []
    boots = Boots(database, SiteRules(api_url="http://api", arguments="nofb"), NoMedia(), clock)
    return Stage(boots=boots, scripts=Scripts(database, lambda: BASE, notes.append, clock, str), notes=notes)


def test_many_are_told_what_each_is_told_alone_and_it_is_noted_the_same(stage: Stage) -> None:
    names = []
    for number in range(20):
        mac = f"52:54:00:00:01:{number:02x}"
        node = machine(uuid=NODE.format(number), ports=[{"address": mac}], properties={})
        stage.boots.prepare(node, agent())
        names.append(f"uuid={SYSTEM}&mac={mac.replace(':', '-')}")

    together = stage.together(*names)
    noted, stage.notes[:] = list(stage.notes), []

    assert [(200, told, boot_scripts.TEXT) for told in together] == [stage.alone(f"/ipxe?{each}") for each in names]
    assert noted == stage.notes
    assert len({told for told in together if told}) == len(names)
    assert {note.node_uuid for note in noted} == {NODE.format(number) for number in range(20)}


def test_the_entry_is_the_same_page(stage: Stage) -> None:
    entry = desks(stage.scripts)["/boot.ipxe"]

    assert stage.alone("/boot.ipxe") == (200, entry.answer, entry.content_type)


def test_a_stranger_among_many_is_left_to_ask_alone_and_gets_nothing_of_the_others(stage: Stage) -> None:
    stage.boots.prepare(machine(), agent())
    strangers = ["", "mac=52-54-00-00-00-09", "uuid=00000000-0000-0000-0000-000000000000", "mac=x&uuid=y"]

    told = stage.together(strangers[0], f"mac={HEX}", *strangers[1:], f"uuid={SYSTEM}")

    assert [place for place, text in enumerate(told) if text is not None] == [1, 5]
    assert len(stage.notes) == 2


def test_two_nodes_with_the_same_name_get_neither_script(stage: Stage) -> None:
    stage.boots.prepare(machine(), agent())
    stage.boots.prepare(machine(uuid=NODE.format(2), properties={}), agent())

    first, second = stage.together(f"mac={HEX}", f"mac={HEX}&uuid={SYSTEM}")

    assert first is None
    assert second is not None


@pytest.mark.parametrize(
    "query", [f"mac={HEX}%20", f"mac={HEX}&mac", f"node={SYSTEM}", f"mac={HEX}&x=1", "mac=" + "5" * 65]
)
def test_words_that_need_decoding_are_left_to_the_page(stage: Stage, query: str) -> None:
    stage.boots.prepare(machine(), agent())

    assert stage.together(query) == [None]


def test_a_script_with_a_secret_and_one_that_cannot_be_made_are_left_to_the_page(
    stage: Stage, database: Database, clock: SetClock
) -> None:
    volumes = Volumes(
        drives=(Drive(urls=("iscsi:192.0.2.9::3260:1:iqn.x",)),), initiator="iqn.me", username="u", password="sealed:p"
    )  # fmt: skip
    stage.boots.prepare(machine(uuid=NODE.format(1)), BootOf(purpose=Purpose.VOLUME, volumes=volumes))
    with database.read() as connection:
        row = store.find(connection, [((SYSTEM,), (), None)])[0]
    assert row is not None
    assert row.model.tells_secret
    assert stage.together(f"mac={HEX}") == [None]

    def nowhere() -> str:
        raise InvalidRequest("machines cannot be told where boot is")

    stage.boots.prepare(machine(uuid=NODE.format(1)), agent())
    broken = replace(stage, scripts=Scripts(database, nowhere, stage.notes.append, clock, str))
    assert broken.together(f"mac={HEX}") == [None]
    assert stage.notes == []
    assert stage.together(f"mac={HEX}") != [None]
