"""What is kept on record, and what is not."""

from steelyard_rack.record import Record


def test_old_entries_go_and_counts_of_power_actions_stay() -> None:
    record = Record(per_machine=10)

    for _ in range(50):
        record.add("m", "redfish", "Reset On", "204", is_write=True, is_power=True, is_done=True)

    assert len(record.entries("m")) == 10
    assert record.power_actions() == {"m": {"Reset On": 50}}


def test_entries_of_all_machines_come_in_the_order_they_were_made() -> None:
    record = Record()
    for name in ("a", "b", "a"):
        record.add(name, "ipmi", "chassis status", "ok")

    assert [(entry.machine, entry.number) for entry in record.entries()] == [("a", 1), ("b", 2), ("a", 3)]


def test_entries_can_be_asked_for_by_machine_number_time_and_writes() -> None:
    record = Record()
    record.add("a", "redfish", "GET /redfish/v1/", "200")
    record.add("a", "redfish", "Reset On", "204", is_write=True, is_power=True, is_done=True)
    record.add("b", "redfish", "GET /redfish/v1/", "200")
    last = record.entries()[-1]

    assert [entry.number for entry in record.entries("a")] == [1, 2]
    assert [entry.number for entry in record.entries(after=2)] == [3]
    assert [entry.number for entry in record.entries(only_writes=True)] == [2]
    assert record.entries(since=last.at + 1) == []


def test_a_cleared_record_is_empty_and_numbers_go_on() -> None:
    record = Record()
    record.add("a", "ipmi", "chassis control power up", "ok", is_write=True, is_power=True, is_done=True)

    record.clear()
    record.add("a", "ipmi", "chassis status", "ok")

    assert record.power_actions() == {}
    assert [entry.number for entry in record.entries()] == [2]
