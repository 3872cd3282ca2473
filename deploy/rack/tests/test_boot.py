"""iPXE as it is simulated, on the scripts that the boot service makes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from steelyard_boot.domain import ipxe as scripts
from steelyard_boot.domain.boot_model import BootModel, Drive, File, Purpose
from steelyard_rack.boot.expanding import Settings
from steelyard_rack.boot.ipxe import Broken, Image, Ipxe, Kernel, Outcome, OwnDisk, Reboot
from steelyard_rack.web import FetchFailed

ENTRY = "http://boot/boot.ipxe"
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
BY_UUID = "http://boot/ipxe?uuid=u-1&mac=52-54-00-00-00-01"
BY_SECOND_MAC = "http://boot/ipxe?mac=52-54-00-00-00-02"
BASE = "http://boot"


@dataclass
class Files:
    """URL → text; ``asked``: what was fetched, or tried; ``slept``: seconds."""

    texts: dict[str, str]
    asked: list[str] = field(default_factory=list)
    slept: float = 0.0

    async def text(self, url: str) -> str:
        self.asked.append(url)
        if url not in self.texts:
            raise FetchFailed("404", "2d:0c:61:3b")
        return self.texts[url]

    async def discard(self, url: str) -> int:
        return len(await self.text(url))

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def boot(self, *, is_efi: bool = True) -> Outcome:
        settings = Settings(uuid="u-1", macs=MACS, is_efi=is_efi)
        return asyncio.run(Ipxe(settings, self, self.sleep).run(ENTRY))


def model(**more: Any) -> BootModel:
    files = more or {"kernel": File(url=f"{BASE}/k"), "ramdisk": File(url=f"{BASE}/r")}
    return BootModel(boot_id="b-1", purpose=Purpose.DEPLOY, arguments=("nofb", "a=b"), names_nic=True, **files)


def script(made: BootModel) -> str:
    return scripts.script(made, lambda file: file.url.removeprefix(BASE), "/ipxe/trouble?boot=b-1")


def test_a_machine_finds_its_script_reads_kernel_and_ramdisk_and_starts_them() -> None:
    files = Files({ENTRY: scripts.entry(), BY_UUID: script(model()), f"{BASE}/k": "kernel", f"{BASE}/r": "ramdisk"})

    assert files.boot() == Kernel(arguments="initrd=ramdisk nofb a=b BOOTIF=52:54:00:00:00:01")
    assert files.asked == [ENTRY, BY_UUID, f"{BASE}/k", f"{BASE}/r"]
    assert files.slept == 0


def test_a_machine_known_by_its_second_nic_is_found_by_that() -> None:
    files = Files({ENTRY: scripts.entry(), BY_SECOND_MAC: scripts.nothing_to_do()})

    assert files.boot() == OwnDisk()
    assert files.asked == [ENTRY, BY_UUID, BY_SECOND_MAC]


def test_a_machine_that_nobody_knows_asks_again_and_again_and_then_restarts() -> None:
    files = Files({ENTRY: scripts.entry()})

    assert files.boot() == Reboot()
    assert files.asked.count(BY_UUID) == files.asked.count(BY_SECOND_MAC) == scripts.TRIES
    assert files.slept == sum(range(1, scripts.TRIES)) + scripts.WAIT_S


def test_a_kernel_that_is_missing_is_told_with_place_and_number_and_tried_again_till_the_machine_restarts() -> None:
    files = Files({ENTRY: scripts.entry(), BY_UUID: script(model())})

    assert files.boot() == Reboot()
    told = [url for url in files.asked if "trouble" in url]
    assert told == [f"{BASE}/ipxe/trouble?boot=b-1&at=kernel&errno=2d-0c-61-3b"] * scripts.TRIES


@pytest.mark.parametrize("is_efi", [True, False])
def test_a_machine_with_nothing_to_do_goes_on_with_its_disk(is_efi: bool) -> None:
    files = Files({ENTRY: scripts.entry(), BY_UUID: scripts.nothing_to_do()})

    assert files.boot(is_efi=is_efi) == OwnDisk()


def test_volumes_and_isos_are_booted_by_their_address() -> None:
    drive = Drive(urls=("iscsi:10.0.0.1::3260:1:iqn.x",))
    texts = {ENTRY: scripts.entry(), BY_UUID: script(model(drives=(drive,)))}
    assert Files(texts).boot() == Image(url="iscsi:10.0.0.1::3260:1:iqn.x")

    texts[BY_UUID] = script(model(iso=File(url=f"{BASE}/x.iso")))
    assert Files(texts).boot() == Image(url=f"{BASE}/x.iso")


@pytest.mark.parametrize(
    ("line", "goes_on"),
    [
        ("iseq a a", True),
        ("iseq a b", False),
        ("iseq a b ||", True),
        ("iseq a b || iseq a a", True),
        ("iseq a b && iseq a a", False),
        ("iseq a b && exit ||", True),
        ("iseq a a || exit", True),
        ("isset ${net9/mac}", False),
        ("isset ${net${n}/mac}", True),
        ("no-such-command", False),
        ("goto nowhere", False),
    ],
)
def test_a_line_is_parted_and_ended_as_ipxe_does_it(line: str, goes_on: bool) -> None:
    files = Files({ENTRY: f"#!ipxe\nset n:int32 0\ninc n\n{line}\nreboot\n"})

    assert isinstance(files.boot(), Reboot if goes_on else Broken)


def test_what_is_no_script_or_never_ends_is_broken() -> None:
    assert isinstance(Files({ENTRY: "<html>"}).boot(), Broken)
    assert isinstance(Files({ENTRY: "#!ipxe\n:again\ngoto again\n"}).boot(), Broken)
    with pytest.raises(FetchFailed):
        Files({}).boot()
