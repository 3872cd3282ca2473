import pytest
from steelyard_lab.boot_machine import BIOS, UEFI, Firmware


@pytest.mark.parametrize(
    ("firmware", "without"),
    [
        (Firmware(mode=BIOS), set()),
        (Firmware(mode=UEFI), set()),
        (Firmware(mode=UEFI, boots_by_ipv6=True), {"IPv4PXESupport"}),
        (Firmware(mode=UEFI, boots_by_http=True), {"IPv4PXESupport", "IPv6PXESupport"}),
    ],
)
def test_firmware_is_kept_from_what_it_would_try_first(firmware: Firmware, without: set[str]) -> None:
    told = firmware.settings()

    assert {name for name in ("IPv4PXESupport", "IPv6PXESupport") if f"{name}'>no<" in told} == without
    assert bool(told) == bool(without)
