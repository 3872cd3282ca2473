from pathlib import Path

from steelyard_lab.console import Console

FROM_DISK = b"SeaBIOS (version 1.16.2)\r\niPXE (http://ipxe.org)\r\nBooting from Hard Disk..\r\nsteelyard-guest: up\r\n"
FROM_NETWORK = b"SeaBIOS (version 1.16.2)\r\nBooting from ROM...\r\nBooting from Hard Disk..\r\nsteelyard-guest: up\r\n"
SOFT_OFF = b"steelyard-guest: power button pressed, switching off\r\n"


def console_with(tmp_path: Path, text: bytes) -> Console:
    (tmp_path / "console.log").write_bytes(text)
    return Console(tmp_path / "console.log")


def test_a_machine_that_never_ran_has_said_nothing(tmp_path: Path) -> None:
    console = Console(tmp_path / "console.log")

    assert (console.firmware_starts(), console.guest_starts(), console.soft_offs()) == (0, 0, 0)
    assert console.last_boot_source() is None


def test_each_start_and_each_soft_off_is_counted(tmp_path: Path) -> None:
    console = console_with(tmp_path, FROM_DISK + SOFT_OFF + FROM_DISK)

    assert (console.firmware_starts(), console.guest_starts(), console.soft_offs()) == (2, 2, 1)


def test_the_boot_source_is_what_the_last_start_tried_first(tmp_path: Path) -> None:
    assert console_with(tmp_path, FROM_DISK + FROM_NETWORK).last_boot_source() == "pxe"
    assert console_with(tmp_path, FROM_NETWORK + FROM_DISK).last_boot_source() == "disk"


def test_a_start_that_has_not_named_its_source_yet_does_not_borrow_the_one_before(tmp_path: Path) -> None:
    console = console_with(tmp_path, FROM_NETWORK + b"SeaBIOS (version 1.16.2)\r\n")

    assert console.last_boot_source() is None
