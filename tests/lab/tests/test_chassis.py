from pathlib import Path

import pytest
from steelyard_lab.chassis import main


def test_a_chassis_without_a_qemu_is_off_and_boots_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(str(tmp_path), "get", "power", "boot") == 0

    assert capsys.readouterr().out.split() == ["power:0", "boot:default"]


def test_a_boot_device_is_remembered_between_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(str(tmp_path), "set", "boot", "pxe") == 0

    main(str(tmp_path), "get", "boot")
    assert capsys.readouterr().out.split() == ["boot:pxe"]


def test_what_is_off_may_be_switched_off_or_asked_to_leave_again(tmp_path: Path) -> None:
    assert main(str(tmp_path), "set", "power", "0") == 0
    assert main(str(tmp_path), "set", "shutdown", "1") == 0
    assert main(str(tmp_path), "set", "reset", "1") == 0


@pytest.mark.parametrize("words", [("get", "mood"), ("set", "mood", "1"), ("set", "boot", "tape")])
def test_what_it_cannot_do_is_an_error_with_its_reason_on_standard_output(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(str(tmp_path), *words) == 1

    assert capsys.readouterr().out.startswith("cannot ")
