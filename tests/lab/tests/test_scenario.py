import pytest
from steelyard_lab.failure import LabError
from steelyard_lab.matrix import Outcome, Row, as_line, as_markdown, page, succeeded
from steelyard_lab.scenario import perform


def fails() -> str:
    raise LabError("the BMC said | no")


def must_not_run() -> str:
    pytest.fail("an operation ran after one had failed")


def row(outcome: Outcome) -> Row:
    return Row(machine="ipmi", operation="create", seconds=1.25, outcome=outcome, evidence="enroll")


def test_after_a_failure_the_rest_is_not_run_but_the_node_is_taken_away() -> None:
    operations = {"create": lambda: "enroll", "manage": fails, "power on": must_not_run, "delete": lambda: "gone"}

    rows = list(perform("ipmi", operations))

    outcomes = [row.outcome for row in rows]
    assert outcomes == [Outcome.DONE, Outcome.FAILED, Outcome.NOT_RUN, Outcome.DONE]
    assert rows[-1].evidence == "gone"


def test_a_run_without_a_single_operation_is_no_success() -> None:
    assert not succeeded([])
    assert succeeded([row(Outcome.DONE)])
    assert not succeeded([row(Outcome.DONE), row(Outcome.NOT_RUN)])


def test_an_error_of_many_lines_stays_one_row_of_the_table() -> None:
    (failed,) = perform("ipmi", {"manage": fails})

    assert as_line(failed).endswith("| FAILED | the BMC said \\| no |")


def test_the_matrix_counts_what_was_done() -> None:
    text = as_markdown([row(Outcome.DONE), row(Outcome.FAILED)], 61.4)

    assert "| ipmi | create | 1.2 | done | enroll |" in text
    assert text.endswith("1 of 2 operations done in 61 s.\n")


def test_the_page_takes_over_machines_whose_life_went_well_and_keeps_what_it_knew_of_others() -> None:
    def of(machine: str, seconds: float, outcome: Outcome = Outcome.DONE, operation: str = "delete") -> Row:
        return Row(machine=machine, operation=operation, seconds=seconds, outcome=outcome, evidence="seen | so")

    first = page("", as_markdown([of("uefi-ipxe", 4), of("bios-ipxe", 5), of("uefi-raid", 6, Outcome.FAILED)], 20))
    stopped = of("uefi-http", 9, operation="deploy")
    then = page(first, as_markdown([of("bios-ipxe", 7, Outcome.FAILED), of("uefi-ipxe", 8), stopped], 20))

    assert "uefi-raid | delete" not in first
    rows = [line for line in then.splitlines() if line.endswith("seen \\| so |")]
    assert [row.split("|")[1].strip() + row.split("|")[3] for row in rows] == ["bios-ipxe 5.0 ", "uefi-ipxe 8.0 "]
    assert "2 operations on 2 machines: 13 s in all" in then
