"""Settings that are wrong are told at the start, in words, and not at the first boot that fails of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from steelyard_boot.settings import Settings
from steelyard_boot.settings_doubts import doubts
from steelyard_common.settings import faults

from services.boot.tests.artifact_parts import settings


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("KERNEL_APPEND_PARAMS", 'console=ttyS0 "never closed', "never closed"),
        ("KERNEL_APPEND_PARAMS", "console=${net0/mac}", "boot loaders replace"),
        ("DEPLOY_KERNEL", "images/kernel", "URLs are expected"),
        ("DEPLOY_RAMDISK", "x86_64=https://images.example/r,aarch64=ftp://images.example/r", "URLs are expected"),
        ("TFTP_SERVER", "not an address!", "address"),
        ("BOOT_URL", "10.0.0.5:8089", "a URL is expected"),
        ("AGENT_API_URL", "10.0.0.5:6385", "a URL is expected"),
        ("ARTIFACTS_FILES", "images", "absolute paths"),
        ("ARTIFACTS_SPARE_BYTES", "many", "20GiB"),
        ("IMAGE_DOWNLOAD_SOURCE", "swift", "http, local"),
        ("AGENT_LOGS", "sometimes", "on_failure"),
        ("DHCP", "isc", "dnsmasq"),
        ("DHCP_RANGES", "10.0.0.1\nconf-file=/etc/shadow", "ranges"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_settings_name(name: str, text: str, words: str) -> None:
    found = [each for each in faults(Settings, {f"STEELYARD_{name}": text}) if each.startswith(f"STEELYARD_{name}:")]

    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("KERNEL_APPEND_PARAMS", 'console=ttyS0 name="some words"'),
        ("DEPLOY_KERNEL", "https://images.example/k?x=1"),
        ("DEPLOY_RAMDISK", "x86_64=https://images.example/r, aarch64=oci://registry.example/r:1"),
        ("TFTP_SERVER", "192.0.2.1"),
        ("ARTIFACTS_FRESH_S", "0"),
        ("ARTIFACTS_SPARE_BYTES", "0"),
        ("INSTALLER_GRACE_S", "0"),
    ],
)
def test_what_makes_sense_is_taken(name: str, text: str) -> None:
    assert not [each for each in faults(Settings, {f"STEELYARD_{name}": text}) if each.startswith(f"STEELYARD_{name}:")]


LIMITS = (
    "BOOT_PATIENCE_S", "MEDIA_TIMEOUT_S", "AGENT_TIMEOUT_S", "DNS_TIMEOUT_S", "ARTIFACTS_CONNECT_S",
    "ARTIFACTS_STALL_S", "ARTIFACTS_WHOLE_S", "ARTIFACTS_CONVERT_S", "ARTIFACTS_MOST_BYTES",
)  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_that_nothing_could_keep_is_refused(name: str) -> None:
    (fault,) = [each for each in faults(Settings, {f"STEELYARD_{name}": "0"}) if each.startswith(f"STEELYARD_{name}:")]

    assert "a positive " in fault


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"loaders_dir": "/nowhere"}, "STEELYARD_LOADERS_DIR: /nowhere is no folder"),
        ({"artifacts_files": (Path("/nowhere"),)}, "STEELYARD_ARTIFACTS_FILES: /nowhere is no folder"),
        ({"agent_logs_dir": "/dev/null/logs"}, "STEELYARD_AGENT_LOGS_DIR: /dev/null/logs cannot be written"),
        ({"qemu_img": "/nowhere/qemu-img"}, "STEELYARD_QEMU_IMG: there is no program"),
        ({"deploy_kernel": "https://x/k"}, "one is set without the other"),
    ],
)
def test_what_is_not_there_is_doubted_at_the_start(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    well = {"qemu_img": "sh", "agent_logs_dir": str(tmp_path / "not" / "yet")}
    assert list(doubts(settings(tmp_path, **well))) == []

    (doubt,) = doubts(settings(tmp_path, **{**well, **changed}))

    assert words in doubt
