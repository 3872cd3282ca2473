"""Virtual media of a boot on a BMC with two slots, with one and with none, as the BMC would read them over HTTP."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pycdlib
import pytest
from steelyard_boot.domain.artifacts import Artifact
from steelyard_boot.domain.boot_model import Purpose
from steelyard_boot.domain.composing import Site as SiteRules
from steelyard_boot.domain.node_for_boot import BootOf, NodeForBoot
from steelyard_boot.drivers import iso
from steelyard_boot.drivers.folder import Folder
from steelyard_boot.drivers.loaders import Loaders
from steelyard_boot.drivers.remote_media import BmcMedia
from steelyard_boot.handlers import artifacts as artifact_handlers
from steelyard_boot.handlers import boot_media, boot_traffic
from steelyard_boot.handlers.http import make_app
from steelyard_boot.service.boots import Boots
from steelyard_boot.service.media import Media, Shelf
from steelyard_boot.service.traffic import Traffic
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.db import Database
from steelyard_common.errors import DeviceRefused, InvalidRequest, Unsupported
from steelyard_common.provider.testing import node as view
from steelyard_common.testing import eventually

from libs.common.tests.replay_server import ReplayBmc, recorded, serving
from libs.common.tests.test_bmc_redfish_media import MediaBmc
from libs.common.tests.test_bmc_redfish_quirks import SYSTEM
from services.boot.tests import boot_stage
from services.boot.tests.artifact_parts import now, running

API = "http://api.example:6385"
TOKEN = "t0ken-" * 8
STATIC = {"links": [], "networks": [{"id": "n0", "type": "ipv4", "ip_address": "192.0.2.7"}], "services": []}


@dataclass
class Desk:
    """Boots with media, and what machines and BMCs can fetch."""

    boots: Boots
    media: Media
    site: boot_stage.Site
    notes: list[Any]
    kernel: Artifact
    ramdisk: Artifact
    iso: Artifact
    folder: Path

    def agent(self, **more: Any) -> BootOf:
        given: dict[str, Any] = {
            "purpose": Purpose.DEPLOY,
            "kernel": self.kernel,
            "ramdisk": self.ramdisk,
            "agent": True,
        }
        return BootOf(**(given | more))

    def read(self, url: str) -> bytes:
        path = url[url.index("/media/") :]
        answer = self.site.get(path)
        assert answer.status == 200, answer.text
        return answer.text.encode("latin-1")


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    loaders = tmp_path / "loaders"
    loaders.mkdir()
    (loaders / "cd-x86_64.efi").write_bytes(b"MZ grub" * 1000)
    (loaders / "isolinux.bin").write_bytes(bytes(24_576))
    (loaders / "ldlinux.c32").write_bytes(b"library")
    pool = BmcPool(PoolSettings(calls_per_s=1000), open_secret=str)
    with running(database, tmp_path / "artifacts") as parts:
        add = parts.artifacts.add
        shelf = Shelf(
            artifacts=parts.artifacts, storage=Folder(tmp_path / "artifacts"), remove=parts.collector.remove,
            url=lambda: boot_stage.BASE, api_url=API,
        )  # fmt: skip
        media = Media(
            database, shelf, BmcMedia(pool), Loaders(str(loaders)), now, lambda sealed: sealed.removeprefix("sealed:")
        )
        notes: list[Any] = []
        traffic = Traffic(database, notes.append, now)
        app = make_app([boot_media.blueprint(media, traffic, lambda key: artifact_handlers.serve(parts.reading, key))])
        boot_traffic.watch(app, traffic)
        with boot_stage.serving(app) as site:
            yield Desk(
                boots=Boots(database, SiteRules(api_url=API), media, now), media=media, site=site, notes=notes,
                kernel=add(io.BytesIO(b"kernel" * 999), "kernel", "kernel", now()),
                ramdisk=add(io.BytesIO(b"ramdisk" * 9999), "ramdisk", "ramdisk", now()),
                iso=add(io.BytesIO(iso.files_image("BASE", {"a": b"b"})), "base.iso", "iso", now()),
                folder=tmp_path,
            )  # fmt: skip
    pool.close()


@contextmanager
def bmc_of(desk: Desk, bmc: ReplayBmc, interface: str = "redfish-virtual-media", **more: Any) -> Iterator[NodeForBoot]:
    with serving(bmc):
        yield NodeForBoot.from_view(
            view(
                interfaces={"boot": interface, "management": "redfish"},
                driver_info={"redfish_address": bmc.url, "redfish_username": "u", "redfish_password": "p"},
                properties={"cpu_arch": "x86_64", **more},
            )
        )


def contents(image: bytes) -> dict[str, bytes]:
    disc = pycdlib.PyCdlib()
    disc.open_fp(io.BytesIO(image))
    found = {}
    for folder, _, files in disc.walk(joliet_path="/"):
        for name in files:
            out = io.BytesIO()
            path = f"{folder.rstrip('/')}/{name}"
            disc.get_file_from_iso_fp(out, joliet_path=path)
            found[path.lstrip("/")] = out.getvalue()
    disc.close()
    return found


def label(image: bytes) -> str:
    return image[32768 + 40 : 32768 + 72].decode().strip()


def test_a_base_iso_goes_in_whole_and_what_is_the_nodes_own_beside_it(desk: Desk) -> None:
    bmc = MediaBmc()
    what = BootOf(purpose=Purpose.DEPLOY, iso=desk.iso, agent=True, token=f"sealed:{TOKEN}", network_data=STATIC)
    with bmc_of(desk, bmc) as node:
        assert desk.boots.prepare(node, what).has_token

        base, own = desk.read(bmc.shown(0)["Image"]), desk.read(bmc.shown(1)["Image"])

    assert contents(base) == {"a": b"b"}
    assert label(own) == "config-2"
    files = contents(own)
    assert b"192.0.2.7" in files["openstack/latest/network_data.json"]
    assert files["parameters.txt"] == f"ipa-api-url={API}\nipa-agent-token={TOKEN}\n".encode()
    assert files["etc/ironic-python-agent.d/steelyard.conf"] == (
        f"[DEFAULT]\napi_url = {API}\nagent_token = {TOKEN}\n".encode()
    )
    eventually(lambda: len(desk.notes) == 2)
    assert {(note.hop.value, note.outcome) for note in desk.notes} == {("iso", "ok")}


def test_without_static_addresses_the_second_medium_has_the_label_that_agents_look_for(desk: Desk) -> None:
    bmc = MediaBmc()
    with bmc_of(desk, bmc) as node:
        desk.boots.prepare(node, desk.agent(token=f"sealed:{TOKEN}"))
        image = desk.read(bmc.shown(1)["Image"])

    assert label(image) == "ir-vfd-dev"
    if blkid := shutil.which("blkid") or shutil.which("blkid", path="/sbin:/usr/sbin"):
        path = desk.folder / "own.iso"
        path.write_bytes(image)
        said = subprocess.run(
            [blkid, "-o", "value", "-s", "LABEL", str(path)], capture_output=True, text=True, check=True
        )
        assert said.stdout.strip() == "ir-vfd-dev"


def test_many_nodes_share_one_cd_and_only_the_small_image_is_their_own(desk: Desk) -> None:
    boots = []
    for _ in range(3):
        bmc = MediaBmc()
        with bmc_of(desk, bmc) as node:
            desk.boots.prepare(node, desk.agent(token=f"sealed:{TOKEN}"))
            boots.append((node, bmc))

    artifacts = {desk.media.find(bmc.shown(0)["Image"].rsplit("/", 1)[-1]).artifact for _, bmc in boots}
    assert len(artifacts) == 1
    cd = desk.read(boots[0][1].shown(0)["Image"])
    assert TOKEN.encode() not in cd
    assert label(cd) == "VMEDIA_BOOT_ISO"


def test_a_bmc_with_one_slot_gets_a_cd_made_for_this_node_alone_that_both_kinds_of_firmware_start(desk: Desk) -> None:
    bmc = MediaBmc()
    bmc.replies[f"GET {SYSTEM}/VirtualMedia"][2]["Members"].pop()
    with bmc_of(desk, bmc) as node:
        prepared = desk.boots.prepare(node, desk.agent(token=f"sealed:{TOKEN}", network_data=STATIC))
        image = desk.read(bmc.shown(0)["Image"])

    files = contents(image)
    assert prepared.has_token
    assert files["boot/kernel"] == b"kernel" * 999
    assert files["boot/ramdisk"] == b"ramdisk" * 9999
    assert b"192.0.2.7" in files["openstack/latest/network_data.json"]
    for config in ("boot/grub/grub.cfg", "isolinux/isolinux.cfg"):
        assert f"ipa-agent-token={TOKEN}".encode() in files[config]
        assert b"boot_method=vmedia" in files[config]
    disc = pycdlib.PyCdlib()
    disc.open_fp(io.BytesIO(image))
    catalog = disc.eltorito_boot_catalog
    assert catalog is not None
    assert catalog.validation_entry.platform_id == 0, "first for a BIOS"
    assert [section.platform_id for section in catalog.sections] == [0xEF], "then for UEFI"
    disc.close()


def test_the_efi_partition_of_a_made_cd_has_the_loader_where_firmware_looks(desk: Desk) -> None:
    mdir = shutil.which("mdir")
    if mdir is None:
        pytest.skip("mtools are not installed")
    bmc = MediaBmc()
    with bmc_of(desk, bmc) as node:
        desk.boots.prepare(node, desk.agent())
        partition = contents(desk.read(bmc.shown(0)["Image"]))["boot/efi.img"]
    image = desk.folder / "esp.img"
    image.write_bytes(partition)

    said = subprocess.run([mdir, "-b", "-/", "-i", str(image), "::/"], capture_output=True, text=True, check=True)

    assert "::/EFI/BOOT/BOOTX64.EFI" in said.stdout


def test_after_the_work_the_slots_are_empty_and_nothing_is_published_or_kept(desk: Desk) -> None:
    bmc = MediaBmc()
    with bmc_of(desk, bmc) as node:
        desk.boots.prepare(node, desk.agent(token=f"sealed:{TOKEN}"))
        first, second = (bmc.shown(slot)["Image"] for slot in (0, 1))
        own = desk.media.find(second.rsplit("/", 1)[-1]).artifact

        for _ in range(2):
            desk.boots.clear(node)

    assert [bmc.shown(slot)["Inserted"] for slot in (0, 1)] == [False, False]
    for url in (first, second):
        assert desk.site.get(url[url.index("/media/") :]).status == 404
    assert not list((desk.folder / "artifacts").rglob(f"{own}*"))


def test_prepared_again_the_old_addresses_lead_nowhere(desk: Desk) -> None:
    bmc = MediaBmc()
    with bmc_of(desk, bmc) as node:
        desk.boots.prepare(node, desk.agent(token=f"sealed:{TOKEN}"))
        old = bmc.shown(1)["Image"]
        desk.boots.prepare(node, desk.agent(token=f"sealed:{TOKEN[::-1]}"))

        assert TOKEN[::-1].encode() in desk.read(bmc.shown(1)["Image"])
    assert desk.site.get(old[old.index("/media/") :]).status == 404


def test_a_medium_of_somebody_else_stays_when_the_work_is_over(desk: Desk) -> None:
    bmc = MediaBmc()
    bmc.shown(0).update({"Image": "http://192.0.2.1/theirs.iso", "Inserted": True})
    with bmc_of(desk, bmc) as node:
        desk.boots.clear(node)

    assert bmc.shown(0)["Image"] == "http://192.0.2.1/theirs.iso"


def test_static_addresses_beside_an_iso_need_a_second_slot_and_nothing_is_sent(desk: Desk) -> None:
    bmc = MediaBmc()
    bmc.replies[f"GET {SYSTEM}/VirtualMedia"][2]["Members"].pop()
    what = BootOf(purpose=Purpose.DEPLOY, iso=desk.iso, agent=True, network_data=STATIC)
    with bmc_of(desk, bmc) as node, pytest.raises(Unsupported, match="deploy_kernel"):
        desk.boots.prepare(node, what)

    assert bmc.shown(0)["Inserted"] is False


def test_an_iso_in_a_single_slot_leaves_the_token_to_the_first_lookup(desk: Desk) -> None:
    bmc = MediaBmc()
    bmc.replies[f"GET {SYSTEM}/VirtualMedia"][2]["Members"].pop()
    with bmc_of(desk, bmc) as node:
        prepared = desk.boots.prepare(
            node, BootOf(purpose=Purpose.DEPLOY, iso=desk.iso, agent=True, token=f"sealed:{TOKEN}")
        )

    assert not prepared.has_token


def test_a_bmc_without_media_and_one_that_refuses_them_are_told_of(desk: Desk) -> None:
    with bmc_of(desk, recorded("plain")) as node, pytest.raises(Unsupported, match="virtual CD"):
        desk.boots.prepare(node, desk.agent())
    with bmc_of(desk, MediaBmc(wants=("Nonsense",))) as node, pytest.raises(DeviceRefused):
        desk.boots.prepare(node, desk.agent())


def test_firmware_is_given_the_address_of_an_iso_where_it_boots_by_itself(desk: Desk) -> None:
    bmc = recorded("plain")
    boot = bmc.replies[f"GET {SYSTEM}"][2]["Boot"]
    boot["BootSourceOverrideTarget@Redfish.AllowableValues"].append("UefiHttp")
    boot["HttpBootUri"] = None
    with bmc_of(desk, bmc, "redfish-https") as node:
        assert desk.boots.prepare(node, desk.agent(token=f"sealed:{TOKEN}")).has_token

        files = contents(desk.read(boot["HttpBootUri"]))
        assert TOKEN.encode() in files["boot/grub/grub.cfg"]
        desk.boots.clear(node)
        assert desk.site.get(boot["HttpBootUri"].removeprefix(boot_stage.BASE)).status == 404


@pytest.mark.parametrize("token", ["a b" * 20, "a\nipa-debug=1" * 5, "é" * 40])
def test_a_token_that_would_break_out_of_its_line_is_refused(desk: Desk, token: str) -> None:
    with bmc_of(desk, MediaBmc()) as node, pytest.raises(InvalidRequest):
        desk.boots.prepare(node, desk.agent(token=f"sealed:{token}"))
