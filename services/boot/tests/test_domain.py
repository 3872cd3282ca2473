"""What a deployment that runs from memory needs."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_boot.domain.agent_errors import remedy_for
from steelyard_boot.domain.catalogue import STEPS, check_ramdisk
from steelyard_common.errors import InvalidRequest

IMAGE = {"kernel": "http://example.com/k", "ramdisk": "http://example.com/r"}


@pytest.mark.parametrize("image", [IMAGE, {"boot_iso": "http://example.com/i"}, IMAGE | {"image_source": "x"}])
def test_an_image_that_is_told_whole_is_taken(image: dict[str, Any]) -> None:
    check_ramdisk(image)


@pytest.mark.parametrize(
    "image",
    [{}, {"kernel": "http://example.com/k"}, {"boot_iso": "http://example.com/i", "image_source": "http://x"}],
)
def test_an_image_that_is_told_in_part_is_refused(image: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="boot_iso"):
        check_ramdisk(image)


def test_the_steps_have_ironics_priorities() -> None:
    priorities = {spec.name: spec.kinds["deploy"] for spec in STEPS if not spec.core}

    assert priorities == {
        "deploy": 100, "write_image": 80, "prepare_instance_boot": 60, "tear_down_agent": 40,
        "switch_to_tenant_network": 30, "boot_instance": 20,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("Image failed to verify against checksum. location: /tmp/i; image ID: i", "image_checksum"),
        ("Root partition is too small for requested image. Image virtual size: 9 MB", "root_gb"),
        ("stderr: Error: The location 1576 is outside of the device /dev/vda.", "swap_mb"),
        ("qemu-img: error while writing at byte 0: No space left on device", "root_device"),
        ("No suitable device was found for deployment using these hints {'wwn': 'x'}", "root_device"),
        ("Encountered an error in the configdrive", "gzipped ISO"),
        ("Download of image i failed: Received status code 401 from http://h/i", "authorization"),
        ("Download of image i failed: Received status code 404 from http://h/i", "image_source"),
        ("Download of image i failed: [SSL: CERTIFICATE_VERIFY_FAILED]", "authority"),
        ("Download of image i failed: connection refused", "image_download_source"),
        ("Security inspection failed for the image", "image_disk_format"),
    ],
)
def test_for_what_agents_say_often_there_is_a_remedy(said: str, word: str) -> None:
    assert word in remedy_for(said)
    assert remedy_for("wipefs: /dev/vda is busy") == ""
