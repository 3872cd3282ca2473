import pytest
from steelyard_lab.failure import LabError
from steelyard_lab.kexec import firmware_between, image_written_at

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


def workflow(*steps: tuple[str, str | None]) -> dict[str, object]:
    return {"steps": [{"interface": "deploy", "step": name, "finished_at": at} for name, at in steps]}


def test_the_image_is_the_last_one_that_was_written_before() -> None:
    told = [
        workflow(("write_image", "2026-01-01T00:00:50+00:00"), ("boot_instance", "2026-01-01T00:01:10+00:00")),
        workflow(("write_image", "2026-01-01T00:00:20Z"), ("prepare", None)),
    ]

    assert image_written_at(told, before=1767225660) == 1767225650
    assert image_written_at(told, before=1767225630) == 1767225620
    with pytest.raises(LabError, match="no image"):
        image_written_at(told, before=1767225600)
