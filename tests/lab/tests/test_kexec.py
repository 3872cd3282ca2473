import pytest
from steelyard_lab.failure import LabError
from steelyard_lab.kexec import firmware_between

AGENT, INSTANCE = "lab-ramdisk: agent starts\n", "lab-instance: lab-image-1 started by uefi\n"


def test_firmware_before_the_agent_does_not_count() -> None:
    assert firmware_between(f"BdsDxe: starting Boot0001\n{AGENT}kexec_core: Starting\n{INSTANCE}") == []


def test_firmware_between_agent_and_instance_is_seen() -> None:
    said = f"{AGENT}{AGENT}BdsDxe: starting Boot0001\nEFI stub: Loaded initrd\n{INSTANCE}"

    assert firmware_between(said) == ["BdsDxe:", "EFI stub:"]


@pytest.mark.parametrize("said", ["", AGENT, INSTANCE, INSTANCE + AGENT])
def test_a_console_without_both_proves_nothing(said: str) -> None:
    with pytest.raises(LabError, match="does not show"):
        firmware_between(said)
