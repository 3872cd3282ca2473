"""Boot attempts as they are kept: what was seen, how they end, and why they went no further."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest
from steelyard_boot.domain.boot_model import Purpose
from steelyard_boot.domain.composing import Site as SiteRules
from steelyard_boot.domain.node_for_boot import BootOf, NodeForBoot
from steelyard_boot.domain.waterfall import Hop, Note, Outcome
from steelyard_boot.service.boots import Boots
from steelyard_boot.service.trail import CROWD, PowerSeen, Trail
from steelyard_boot.store import attempts
from steelyard_boot.store.attempts import Attempt
from steelyard_common.contracts.facts import FACTS
from steelyard_common.db import Database
from steelyard_common.testing import SetClock, eventually

from services.boot.tests.boot_stage import ISO, KERNEL, NoMedia, agent, machine
from services.boot.tests.test_boot_scripts import LAN


@dataclass
class Desk:
    trail: Trail
    boots: Boots
    clock: SetClock
    database: Database
    node: NodeForBoot
    reads_dhcp: bool = True

    def see(self, *hops: Hop, outcome: str = "ok", **detail: Any) -> None:
        """A second apart."""
        for hop in hops:
            self.clock.advance(1)
            self.trail.note(Note(node_uuid=self.node.uuid, hop=hop, outcome=outcome, at=self.clock(), detail=detail))
        self.trail.flush()

    def power(self, is_on: bool) -> None:
        self.clock.advance(1)
        self.trail.note(PowerSeen(node_uuid=self.node.uuid, is_on=is_on, at=self.clock()))
        self.trail.flush()

    def attempts(self) -> list[Attempt]:
        with self.database.read() as connection:
            return attempts.of_node(connection, self.node.uuid, 10)

    def told(self) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            bodies = connection.exec_driver_sql("SELECT body FROM outbox ORDER BY id").scalars()
            return [orjson.loads(bytes(body)) for body in bodies]


@pytest.fixture
def desk(database: Database, clock: SetClock) -> Iterator[Desk]:
    trail = Trail(database, "lab1", clock, patience_s=600, reads_dhcp=lambda: stage.reads_dhcp)
    boots = Boots(database, SiteRules(api_url=LAN), NoMedia(), clock)
    stage = Desk(trail=trail, boots=boots, clock=clock, database=database, node=machine())
    boots.prepare(stage.node, agent())
    yield stage
    trail.stop()


WHOLE = (
    Hop.DHCP,
    Hop.LOADER,
    Hop.DHCP,
    Hop.ENTRY,
    Hop.SCRIPT,
    Hop.KERNEL,
    Hop.RAMDISK,
    Hop.DHCP,
    Hop.LOOKUP,
    Hop.HEARTBEAT,
)


def test_a_boot_that_went_well_is_one_attempt_from_power_on_to_the_first_heartbeat(desk: Desk) -> None:
    desk.power(True)
    desk.see(*WHOLE, Hop.HEARTBEAT)

    (attempt,) = desk.attempts()
    assert (attempt.outcome, attempt.failing_hop) == (Outcome.BOOTED, None)
    assert [note.hop for note in attempt.notes] == [Hop.POWER, *WHOLE]
    assert attempt.ended_at is not None
    assert attempt.ended_at - attempt.began_at == timedelta(seconds=len(WHOLE))


def test_power_that_is_noticed_late_belongs_to_the_boot_that_it_was_for(desk: Desk) -> None:
    desk.see(Hop.SCRIPT, Hop.KERNEL)
    desk.power(True)
    desk.see(Hop.RAMDISK, Hop.LOOKUP, Hop.HEARTBEAT)

    (attempt,) = desk.attempts()
    assert attempt.outcome is Outcome.BOOTED
    assert [note.hop for note in attempt.notes] == [
        Hop.SCRIPT, Hop.KERNEL, Hop.POWER, Hop.RAMDISK, Hop.LOOKUP, Hop.HEARTBEAT,
    ]  # fmt: skip


def test_power_that_is_noticed_after_the_agent_has_called_begins_no_boot_and_later_it_does(desk: Desk) -> None:
    desk.see(Hop.SCRIPT, Hop.LOOKUP, Hop.HEARTBEAT)
    desk.power(True)
    assert [attempt.outcome for attempt in desk.attempts()] == [Outcome.BOOTED]

    desk.clock.advance(60)
    desk.power(True)

    assert [attempt.outcome for attempt in desk.attempts()] == [Outcome.RUNNING, Outcome.BOOTED]


def test_power_whose_event_was_on_its_way_while_the_machine_came_up_begins_no_boot(desk: Desk) -> None:
    went_on = desk.clock()
    desk.see(Hop.SCRIPT, Hop.LOOKUP, Hop.HEARTBEAT)
    desk.trail.note(PowerSeen(node_uuid=desk.node.uuid, is_on=True, at=went_on))
    desk.trail.flush()

    assert [attempt.outcome for attempt in desk.attempts()] == [Outcome.BOOTED]


@pytest.mark.parametrize("written_before", [0, 1, 2])
def test_power_that_is_heard_of_together_with_the_agents_call_begins_no_boot(desk: Desk, written_before: int) -> None:
    hops = [Hop.SCRIPT, Hop.LOOKUP, Hop.HEARTBEAT]
    desk.see(*hops[:written_before])
    for hop in hops[written_before:]:
        desk.trail.note(Note(node_uuid=desk.node.uuid, hop=hop, outcome="ok", at=desk.clock()))
        desk.clock.advance(1)
    desk.power(True)

    assert [attempt.outcome for attempt in desk.attempts()] == [Outcome.BOOTED]


def test_an_agent_that_is_not_believed_is_the_reason_and_does_not_keep_the_attempt_open(desk: Desk) -> None:
    desk.see(Hop.SCRIPT, Hop.RAMDISK, Hop.LOOKUP)
    for _ in range(12):
        desk.clock.advance(61)
        desk.trail.refused(desk.node.uuid, "Invalid or missing agent token received.")
    desk.trail.flush()
    desk.trail.sweep()

    (attempt,) = desk.attempts()
    assert (attempt.outcome, attempt.failing_hop) == (Outcome.FAILED, Hop.HEARTBEAT)
    assert "was refused (Invalid or missing agent token received.)" in str(attempt.reason)
    assert "switch it off, then boot this node again" in str(attempt.reason)
    assert [note.hop for note in attempt.notes].count(Hop.HEARTBEAT) == 12


def test_its_event_says_what_the_contract_says(desk: Desk) -> None:
    desk.see(*WHOLE)

    (event,) = desk.told()
    assert event["type"] == "org.steelyard.boot.boot-attempt-ended"
    parts = FACTS["boot"]["boot-attempt-ended"].data
    assert set(event["data"]) == set(parts)
    assert event["data"]["hops"] == [hop.value for hop in WHOLE]


def test_notes_that_come_together_are_as_good_as_one_by_one(desk: Desk) -> None:
    start = desk.clock()
    desk.clock.advance(100)
    for number, hop in enumerate(reversed(WHOLE)):
        at = start + timedelta(seconds=len(WHOLE) - number)
        desk.trail.note(Note(node_uuid=desk.node.uuid, hop=hop, outcome="ok", at=at))
    desk.trail.flush()

    assert [attempt.outcome for attempt in desk.attempts()] == [Outcome.BOOTED]


def test_a_machine_that_is_started_again_begins_another_attempt_and_the_first_says_why_it_ended(desk: Desk) -> None:
    desk.power(True)
    desk.see(Hop.DHCP, Hop.LOADER, Hop.SCRIPT)
    desk.see(Hop.KERNEL, outcome="failed", what="kernel", status=404)
    desk.power(True)
    desk.see(*WHOLE)

    newest, first = desk.attempts()
    assert newest.outcome is Outcome.BOOTED
    assert (first.outcome, first.failing_hop) == (Outcome.REPLACED, Hop.KERNEL)
    assert "404" in str(first.reason)


def test_a_machine_that_goes_silent_has_failed_after_the_patience_and_the_reason_names_the_hop(desk: Desk) -> None:
    desk.power(True)
    desk.see(Hop.DHCP, Hop.LOADER, Hop.SCRIPT, Hop.KERNEL, Hop.RAMDISK)

    desk.clock.advance(599)
    assert desk.trail.sweep() == 0
    desk.clock.advance(2)
    assert desk.trail.sweep() == 1

    (attempt,) = desk.attempts()
    assert (attempt.outcome, attempt.failing_hop) == (Outcome.FAILED, Hop.LOOKUP)
    assert "ipa-api-url" in str(attempt.reason)
    assert desk.told()[-1]["type"] == "org.steelyard.boot.boot-attempt-failed"


@pytest.mark.parametrize(("interface", "hop"), [("ipxe", Hop.SCRIPT), ("http", Hop.SCRIPT), ("pxe", Hop.LOOKUP)])
def test_where_no_dhcp_log_is_read_it_is_not_said_that_no_dhcp_request_was_seen(
    desk: Desk, interface: str, hop: Hop
) -> None:
    desk.reads_dhcp = False
    desk.boots.prepare(machine(interface, uuid=desk.node.uuid), agent())
    desk.power(True)
    desk.clock.advance(601)
    desk.trail.sweep()

    (attempt,) = desk.attempts()
    assert attempt.failing_hop is hop
    for words in ("since power-on", "no DHCP log is read (STEELYARD_DHCP_LOG_FILE)", "its console", "DHCP"):
        assert words in str(attempt.reason)


def test_that_another_replica_reads_the_dhcp_log_is_known_by_its_leases(desk: Desk) -> None:
    desk.reads_dhcp = False
    with desk.database.begin() as transaction:
        attempts.write_leases(transaction.connection, {"192.0.2.9": "52:54:00:00:00:09"}, desk.clock())
    desk.power(True)
    desk.clock.advance(601)
    desk.trail.sweep()

    (attempt,) = desk.attempts()
    assert attempt.failing_hop is Hop.DHCP
    assert "no DHCP request was seen" in str(attempt.reason)


def test_switching_the_machine_off_ends_its_attempt(desk: Desk) -> None:
    desk.power(True)
    desk.see(Hop.DHCP)
    desk.power(False)

    (attempt,) = desk.attempts()
    assert attempt.outcome is Outcome.REPLACED
    assert "switched off" in str(attempt.reason)


def test_what_is_told_late_or_twice_of_the_power_ends_no_boot_that_began_since(desk: Desk) -> None:
    went_off = PowerSeen(node_uuid=desk.node.uuid, is_on=False, at=desk.clock())
    desk.clock.advance(1)
    went_on = PowerSeen(node_uuid=desk.node.uuid, is_on=True, at=desk.clock())
    desk.see(Hop.SCRIPT)
    for told in (went_off, went_on, went_off, went_on):
        desk.trail.note(told)
        desk.trail.flush()
    desk.see(Hop.KERNEL, Hop.RAMDISK, Hop.LOOKUP, Hop.HEARTBEAT)

    (attempt,) = desk.attempts()
    assert attempt.outcome is Outcome.BOOTED
    assert [note.hop for note in attempt.notes] == [
        Hop.POWER, Hop.SCRIPT, Hop.KERNEL, Hop.RAMDISK, Hop.LOOKUP, Hop.HEARTBEAT,
    ]  # fmt: skip


def test_an_agent_that_lives_already_and_a_machine_nobody_prepared_make_no_attempt(desk: Desk) -> None:
    desk.see(Hop.LOOKUP, Hop.HEARTBEAT)
    desk.trail.note(Note(node_uuid=str(uuid.uuid4()), hop=Hop.DHCP, outcome="ok", at=desk.clock()))
    desk.trail.flush()

    assert desk.attempts() == []


def test_an_instance_that_asks_for_its_address_is_no_boot(desk: Desk) -> None:
    """As it renews it, and when the agent started it: no firmware was at work."""
    desk.see(*WHOLE)
    desk.boots.local(desk.node)

    desk.see(Hop.DHCP)
    assert [attempt.outcome for attempt in desk.attempts()] == [Outcome.BOOTED]

    desk.clock.advance(60)
    desk.see(Hop.DHCP, Hop.SCRIPT)
    assert [(attempt.outcome, len(attempt.notes)) for attempt in desk.attempts()] == [
        (Outcome.BOOTED, 1), (Outcome.BOOTED, len(WHOLE)),
    ]  # fmt: skip


def test_a_machine_that_starts_from_its_own_disk_asks_for_nothing_and_has_not_failed(desk: Desk) -> None:
    desk.power(True)
    desk.see(*WHOLE)
    desk.power(False)
    desk.boots.local(desk.node)
    desk.power(True)
    desk.clock.advance(601)

    assert desk.trail.sweep() == 0
    assert [attempt.outcome for attempt in desk.attempts()] == [Outcome.BOOTED]


def test_what_boots_without_an_agent_has_booted_with_its_last_file(desk: Desk) -> None:
    desk.boots.prepare(desk.node, BootOf(purpose=Purpose.RAMDISK, kernel=KERNEL))
    desk.see(Hop.SCRIPT, Hop.KERNEL)
    desk.boots.prepare(desk.node, BootOf(purpose=Purpose.RAMDISK, iso=ISO))
    desk.see(Hop.SCRIPT, Hop.ISO)

    assert [attempt.outcome for attempt in desk.attempts()] == [Outcome.BOOTED, Outcome.BOOTED]


def test_a_file_that_was_noted_after_the_one_behind_it_had_ended_the_attempt_belongs_to_that(desk: Desk) -> None:
    boot_id = desk.boots.prepare(desk.node, agent(Purpose.INSPECT)).boot_id
    desk.see(Hop.SCRIPT)
    kernel = Note(node_uuid=desk.node.uuid, boot_id=boot_id, hop=Hop.KERNEL, outcome="ok", at=desk.clock())
    desk.see(Hop.RAMDISK)
    desk.trail.note(kernel)
    desk.trail.flush()

    (attempt,) = desk.attempts()
    assert attempt.outcome is Outcome.BOOTED
    assert [note.hop for note in attempt.notes] == [Hop.SCRIPT, Hop.KERNEL, Hop.RAMDISK]


def test_two_replicas_write_into_one_attempt(desk: Desk) -> None:
    other = Trail(desk.database, "lab1", desk.clock)
    desk.see(Hop.DHCP)
    other.note(Note(node_uuid=desk.node.uuid, hop=Hop.SCRIPT, outcome="ok", at=desk.clock()))
    other.flush()

    assert [[note.hop for note in attempt.notes] for attempt in desk.attempts()] == [[Hop.DHCP, Hop.SCRIPT]]


def test_only_the_newest_attempts_are_kept(desk: Desk) -> None:
    for _ in range(attempts.KEPT + 3):
        desk.power(True)
        desk.power(False)

    with desk.database.read() as connection:
        assert len(attempts.of_node(connection, desk.node.uuid, 1000)) == attempts.KEPT


def test_a_crowd_that_does_not_end_is_written_down_all_the_same(desk: Desk) -> None:
    seen = Note(node_uuid=desk.node.uuid, hop=Hop.SCRIPT, outcome="ok", at=desk.clock())
    desk.trail.start()

    def crowd() -> list[Attempt]:
        for _ in range(CROWD):
            desk.trail.note(seen)
        return desk.attempts()

    (attempt,) = eventually(crowd, timeout_s=60, every_s=0.05)
    assert attempt.notes[0].hop is Hop.SCRIPT
