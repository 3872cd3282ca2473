"""Why a boot went no further, judged by what was seen of it."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_boot.domain.waterfall import STRANGE_MACS, Expectation, Hop, Note, judge
from steelyard_common.testing import SetClock

AGENT = Expectation(interface="ipxe", purpose="deploy", last=Hop.HEARTBEAT)


@pytest.mark.parametrize(
    ("seen", "hop", "word"),
    [
        ((), Hop.POWER, "not switched on"),
        ((Hop.POWER,), Hop.DHCP, "spanning tree"),
        ((Hop.POWER, Hop.DHCP), Hop.LOADER, "boot file"),
        ((Hop.DHCP, Hop.LOADER), Hop.SCRIPT, "secure boot"),
        ((Hop.LOADER, Hop.ENTRY), Hop.SCRIPT, "entry script"),
        ((Hop.SCRIPT,), Hop.KERNEL, "cannot reach the artifacts"),
        ((Hop.SCRIPT, Hop.KERNEL), Hop.RAMDISK, "memory"),
        ((Hop.KERNEL, Hop.RAMDISK, Hop.DHCP), Hop.LOOKUP, "panicked"),
        ((Hop.ISO,), Hop.LOOKUP, "boot mode"),
        ((Hop.RAMDISK, Hop.LOOKUP), Hop.HEARTBEAT, "no heartbeat"),
    ],
)
def test_where_nothing_failed_the_next_hop_is_the_one_that_is_missing(
    seen: tuple[Hop, ...], hop: Hop, word: str
) -> None:
    verdict = judge(_notes(*((each, "ok", {}) for each in seen)), AGENT)

    assert verdict.hop is hop
    assert word in verdict.reason


@pytest.mark.parametrize(
    ("hop", "outcome", "detail", "word"),
    [
        (Hop.KERNEL, "failed", {"what": "kernel", "status": 404}, "404"),
        (Hop.RAMDISK, "partial", {"what": "ramdisk", "bytes": 5, "of_bytes": 10}, "5 of 10 bytes"),
        (Hop.KERNEL, "failed", {"what": "kernel", "status": 503}, "could not answer"),
        (Hop.LOADER, "failed", {"what": "snponly.efi", "transport": "tftp", "error": "timed out"}, "firewall"),
        (Hop.RAMDISK, "failed", {"what": "ramdisk", "errno": "2d-0c-61-3b"}, "ipxe.org/2d0c613b"),
        (Hop.SCRIPT, "failed", {"status": 404}, "no node has"),
    ],
)
def test_what_failed_is_named_with_its_likely_reason(hop: Hop, outcome: str, detail: dict[str, Any], word: str) -> None:
    verdict = judge(_notes((Hop.POWER, "ok", {}), (Hop.DHCP, "ok", {}), (hop, outcome, detail)), AGENT)

    assert verdict.hop is hop
    assert word in verdict.reason


def test_what_boot_answered_says_more_than_that_the_machine_gave_up() -> None:
    notes = _notes((Hop.KERNEL, "failed", {"status": 404}), (Hop.KERNEL, "failed", {"errno": "2d-0c-61-3b"}))

    assert "404" in judge(notes, AGENT).reason


def test_a_failure_that_was_made_good_is_not_the_reason() -> None:
    notes = _notes((Hop.KERNEL, "failed", {"status": 503}), (Hop.KERNEL, "ok", {}), (Hop.RAMDISK, "ok", {}))

    assert judge(notes, AGENT).hop is Hop.LOOKUP


@pytest.mark.parametrize(("detail", "is_told"), [({STRANGE_MACS: "52:54:00:00:00:03"}, True), ({}, False)])
def test_a_machine_with_a_nic_of_another_node_is_named_where_its_agent_does_not_come(
    detail: dict[str, Any], is_told: bool
) -> None:
    verdict = judge(_notes((Hop.SCRIPT, "ok", detail), (Hop.KERNEL, "ok", {}), (Hop.RAMDISK, "ok", {})), AGENT)

    assert verdict.hop is Hop.LOOKUP
    assert ("MAC addresses of another node's ports (52:54:00:00:00:03)" in verdict.reason) is is_told


def test_a_medium_that_the_bmc_never_fetched_is_named() -> None:
    media = Expectation(interface="redfish-virtual-media", purpose="deploy", last=Hop.HEARTBEAT)

    assert judge(_notes((Hop.POWER, "ok", {})), media).hop is Hop.ISO


def _notes(*seen: tuple[Hop, str, dict[str, Any]]) -> list[Note]:
    clock = SetClock()
    return [Note(node_uuid="n", hop=hop, outcome=outcome, at=clock(), detail=detail) for hop, outcome, detail in seen]
