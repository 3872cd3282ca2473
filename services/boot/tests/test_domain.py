"""What a deployment that runs from memory needs."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_boot.domain.catalogue import OFFER, STEPS, check_ramdisk
from steelyard_common.errors import InvalidRequest, Unsupported

IMAGE = {"kernel": "http://example.com/k", "ramdisk": "http://example.com/r"}


@pytest.mark.parametrize("image", [IMAGE, {"boot_iso": "http://example.com/i"}, IMAGE | {"image_source": "x"}])
def test_an_image_that_is_told_whole_is_taken(image: dict[str, Any]) -> None:
    check_ramdisk({"boot": "fake"}, image)


@pytest.mark.parametrize(
    "image",
    [{}, {"kernel": "http://example.com/k"}, {"boot_iso": "http://example.com/i", "image_source": "http://x"}],
)
def test_an_image_that_is_told_in_part_is_refused(image: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="boot_iso"):
        check_ramdisk({"boot": "fake"}, image)


@pytest.mark.parametrize("boot", [name for name in OFFER.provides["boot"] if name != "fake"])
def test_a_boot_interface_that_brings_nothing_yet_is_named(boot: str) -> None:
    with pytest.raises(Unsupported, match=boot):
        check_ramdisk({"boot": boot}, IMAGE)


def test_only_the_deployment_itself_is_a_users_step_and_it_has_ironics_priority() -> None:
    assert [(spec.name, spec.kinds) for spec in STEPS if not spec.core] == [("deploy", {"deploy": 100})]
