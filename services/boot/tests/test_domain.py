"""What a deployment that runs from memory needs."""

from __future__ import annotations

from typing import Any

import pytest
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
