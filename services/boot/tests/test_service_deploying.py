"""Deploying by an agent over real HTTPS: every step, slice by slice, with what goes wrong on the way."""

from __future__ import annotations

import base64
import gzip
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pycdlib
import pytest
from steelyard_boot.store import agents as store
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Again, Done, Failed, StepResult, Wait
from steelyard_common.db import Database
from steelyard_common.errors import Conflict, DeviceRefused, InvalidRequest, OutcomeUnknown, SteelyardError
from steelyard_common.testing import SetClock
from steelyard_rack.agent.answers import VERSION

from services.boot.tests.agent_stage import NODE, SEALER, SHA, Stage, stage
from services.boot.tests.image_headers import qcow2

ERASE = {"interface": "deploy", "step": "erase_devices_metadata", "priority": 99, "args": {}}
IN_BAND: dict[str, Any] = {"kind": "clean", "step": ERASE, "version": VERSION}


@pytest.fixture
def ground(database: Database, memory_bus: MemoryBus, clock: SetClock, tmp_path: Path) -> Iterator[Stage]:
    with stage(database, memory_bus, clock, tmp_path) as made:
        yield made


@pytest.fixture
def up(ground: Stage) -> Stage:
    """The agent is up."""
    ground.agents.expect(NODE)
    ground.agent_up()
    return ground


def error(result: StepResult) -> SteelyardError:
    assert isinstance(result, Failed), result
    return result.error


def sent(ground: Stage, name: str) -> dict[str, Any]:
    """The parameters of the one command of this name."""
    (params,) = [params for each, params in ground.agent.received if each == name]
    return params


def test_a_whole_deployment_step_by_step(ground: Stage) -> None:
    assert ground.fetched("deploy", "prepare") == Done()
    assert ground.boots() == "deploy"
    assert ground.run("deploy", "deploy") == Done()
    ground.agent_up()

    told = ground.run("deploy", "read_agent_steps", kind="deploy")
    assert isinstance(told, Done)
    assert told.facts["agent_steps"]["version"] == VERSION
    assert {step["step"] for step in told.facts["agent_steps"]["steps"]} == {
        "erase_devices", "erase_devices_metadata", "kexec_instance",
    }  # fmt: skip

    waits = ground.run("deploy", "write_image")
    assert isinstance(waits, Wait)
    assert waits.signal == "heartbeat"
    ground.clock.advance(12)
    still = ground.go_on("deploy", "write_image")
    assert isinstance(still, Wait)
    assert "for 12 s" in (still.progress or "")
    ground.agent.finish()
    assert ground.go_on("deploy", "write_image") == Done()

    assert isinstance(ground.run("deploy", "prepare_instance_boot"), Wait)
    ground.agent.finish()
    assert ground.go_on("deploy", "prepare_instance_boot") == Done()
    assert ground.boots() == "local"

    ground.agent.at_once = True
    for name in ("tear_down_agent", "switch_to_tenant_network", "boot_instance"):
        assert ground.run("deploy", name) == Done()

    assert ground.agent.names == [
        "deploy.get_deploy_steps", "deploy.execute_deploy_step", "standby.get_partition_uuids",
        "image.install_bootloader", "standby.sync", "standby.power_off",
    ]  # fmt: skip
    assert ground.agents.session(NODE) is None


def test_a_direct_deployment_without_an_image_boots_the_nodes_volume(ground: Stage) -> None:
    place = {"target_portal": "192.0.2.9:3260", "target_iqn": "iqn.2026-01.example:v", "target_lun": 1}
    volume = {"volume_type": "iscsi", "boot_index": 0, "volume_id": "v", "properties": place, "sealed": {}}
    ground.inventory.nodes[NODE]["targets"] = [volume]
    ground.node |= {"instance_info": {}, "interfaces": {**ground.node["interfaces"], "storage": "external"}}

    assert ground.run("deploy", "prepare") == Done()

    assert ground.boots() == "volume"


def test_the_agent_is_told_the_image_as_ironic_tells_it(up: Stage) -> None:
    up.run("deploy", "write_image")

    params = sent(up, "deploy.execute_deploy_step")
    step, info = params["step"], params["step"]["args"]["image_info"]
    assert (step["interface"], step["step"]) == ("deploy", "write_image")
    assert info["urls"] == ["https://images.example/cloud.qcow2"]
    assert (info["os_hash_algo"], info["os_hash_value"], info["id"]) == ("sha256", SHA, "cloud.qcow2")
    assert info["image_type"] == "whole-disk"
    assert params["node"]["uuid"] == NODE
    assert params["node"]["driver_info"] == {"bmc_password": "******"}
    assert params["ports"] == [{"address": "52:54:00:00:00:01"}]


def test_an_image_that_boot_serves_is_fetched_first_and_told_by_its_sum(ground: Stage) -> None:
    image = ground.folder / "files" / "disk.raw"
    image.write_bytes(bytes(64 * 1024))
    ground.node["instance_info"] = {"image_source": f"file://{image}"}
    ground.fetched("deploy", "prepare")
    ground.agent_up()

    assert isinstance(ground.fetched("deploy", "write_image"), Wait)

    info = sent(ground, "deploy.execute_deploy_step")["step"]["args"]["image_info"]
    assert info["urls"][0].startswith("http://boot.example:8089/artifacts/")
    assert info["os_hash_value"] in info["urls"][0]
    assert info["disk_format"] == "raw"


def test_an_image_larger_than_the_disk_is_refused_before_the_machine_boots_and_before_the_agent_hears_of_it(
    database: Database, memory_bus: MemoryBus, clock: SetClock, tmp_path: Path
) -> None:
    with stage(database, memory_bus, clock, tmp_path, force_raw_images=False) as ground:
        image = ground.folder / "files" / "disk.qcow2"
        image.write_bytes(qcow2((4 << 30) + 512))
        ground.node["instance_info"] = {"image_source": f"file://{image}"}
        ground.fetched("deploy", "prepare")
        ground.agent_up()
        assert isinstance(ground.fetched("deploy", "write_image"), Wait)  # nobody knows its disks
        ground.inventory.nodes[NODE]["disks"] = [{"name": "/dev/vda", "size": 4 << 30}]

        for step in ("prepare", "write_image"):
            refused = error(ground.fetched("deploy", step))
            assert isinstance(refused, InvalidRequest)
            assert f"{(4 << 30) + 512} bytes" in refused.message
            assert "/dev/vda" in refused.message
        assert ground.agent.names == ["deploy.execute_deploy_step"]


def test_a_partition_image_needs_its_sizes_and_gets_a_loader_for_its_root(up: Stage) -> None:
    up.node["instance_info"] |= {"image_type": "partition", "root_gb": 10, "swap_mb": "64", "ephemeral_gb": 1}
    up.node["properties"]["capabilities"] = "boot_mode:uefi"
    up.run("deploy", "write_image")
    info = sent(up, "deploy.execute_deploy_step")["step"]["args"]["image_info"]
    up.agent.finish()
    up.run("deploy", "prepare_instance_boot")

    assert (info["root_mb"], info["swap_mb"], info["ephemeral_mb"]) == (10240, 64, 1024)
    assert (info["deploy_boot_mode"], info["disk_label"]) == ("uefi", "gpt")
    assert sent(up, "image.install_bootloader") == {
        "root_uuid": "c-1", "efi_system_part_uuid": "e-1", "prep_boot_part_uuid": None, "target_boot_mode": "uefi",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("info", "why"),
    [
        ({}, "image_source"), ({"image_source": "5c217000-0000-4000-8000-000000000001"}, "URL"),
        ({"image_source": "https://x/i"}, "image_checksum"),
        ({"image_source": "https://x/i", "image_checksum": "0" * 32}, "md5"),
        ({"image_source": "https://x/i", "image_checksum": "zz"}, "sha256"),
        ({"image_source": "https://x/i", "image_os_hash_algo": "sha256"}, "together"),
        ({"image_source": "https://x/i", "image_os_hash_algo": "sha256", "image_os_hash_value": "0" * 128}, "sha256"),
        ({"image_source": "https://x/i", "image_checksum": SHA, "image_type": "partition"}, "root_gb"),
        ({"image_source": "https://x/i", "image_checksum": SHA, "image_type": "odd"}, "image_type"),
        ({"image_source": "https://x/i", "image_checksum": SHA, "image_disk_format": "vhd"}, "image_disk_format"),
        ({"image_source": "https://x/i", "image_checksum": SHA, "image_download_source": "swift"}, "local"),
    ],
)  # fmt: skip
def test_an_image_that_makes_no_sense_is_refused_before_anything_boots(
    ground: Stage, info: dict[str, Any], why: str
) -> None:
    ground.node["instance_info"] = info

    refused = error(ground.run("deploy", "prepare"))

    assert isinstance(refused, InvalidRequest)
    assert why in refused.message
    assert ground.boots() == "nothing"


def _drive(ground: Stage, drive: Any) -> Any:
    """What the agent is told of it."""
    ground.inventory.nodes[NODE]["configdrive"] = drive
    ground.run("deploy", "write_image")
    args = sent(ground, "deploy.execute_deploy_step")["step"]["args"]
    assert args["image_info"].get("configdrive") == args["configdrive"]
    return args["configdrive"]


@pytest.mark.parametrize("drive", ["https://drives.example/1", "H4sIAAAA"])
def test_a_config_drive_as_text_reaches_the_agent_as_it_came(up: Stage, drive: str) -> None:
    assert _drive(up, SEALER.seal(drive)) == drive


def test_a_config_drive_as_an_object_becomes_an_image(up: Stage) -> None:
    told = {"meta_data": {"name": "web", "n": 1}, "user_data": "#!/bin/sh", "network_data": {"mtu": 1500}}

    drive = _drive(up, SEALER.seal(orjson.dumps(told).decode()))

    disc = pycdlib.PyCdlib()
    disc.open_fp(io.BytesIO(gzip.decompress(base64.b64decode(drive))))
    assert disc.pvd.volume_identifier.decode().strip() == "config-2"
    found = {}
    for name in ("meta_data.json", "user_data", "network_data.json"):
        out = io.BytesIO()
        disc.get_file_from_iso_fp(out, rr_path=f"/openstack/latest/{name}")
        found[name] = out.getvalue()
    disc.close()
    assert orjson.loads(found["meta_data.json"]) == {"name": "web", "n": 1, "uuid": NODE, "hostname": "n1"}
    assert found["user_data"] == b"#!/bin/sh"
    assert orjson.loads(found["network_data.json"]) == {"mtu": 1500}


def test_no_config_drive_is_none(up: Stage) -> None:
    assert _drive(up, None) is None


# ---- what goes wrong


def test_a_step_that_is_delivered_again_is_not_run_again(up: Stage) -> None:
    first = up.slice("deploy", "execute_in_band", **IN_BAND)
    assert isinstance(first, Wait)
    up.engine.memo = {}  # the answer was lost, and with it the memo

    again = up.slice("deploy", "execute_in_band", times=2, **IN_BAND)
    up.agent.finish()
    up.engine.memo = {}
    done = up.slice("deploy", "execute_in_band", times=2, **IN_BAND)

    assert isinstance(again, Wait)
    assert done == Done()
    assert up.agent.names == ["clean.execute_clean_step"]


def test_the_same_step_twice_in_a_list_runs_twice(up: Stage) -> None:
    up.agent.at_once = True
    for _ in range(2):
        assert up.run("deploy", "execute_in_band", **IN_BAND) == Done()
        up.engine.memo = {}
        assert up.slice("deploy", "execute_in_band", times=2, **IN_BAND) == Done()

    assert up.agent.names == ["clean.execute_clean_step"] * 2


def test_an_answer_that_was_lost_is_looked_for_and_not_asked_for_again(up: Stage) -> None:
    up.agent.lose_answers = True
    first = up.slice("deploy", "execute_in_band", **IN_BAND)
    assert isinstance(first, Again)
    up.agent.lose_answers = False

    assert isinstance(up.slice("deploy", "execute_in_band", **IN_BAND), Wait)
    assert up.agent.names == ["clean.execute_clean_step"]


def test_a_step_that_fails_is_told_in_the_agents_words(up: Stage) -> None:
    up.run("deploy", "execute_in_band", **IN_BAND)
    up.agent.finish("FAILED", "wipefs: /dev/vda is busy")

    failed = error(up.go_on("deploy", "execute_in_band", **IN_BAND))

    assert isinstance(failed, DeviceRefused)
    assert "deploy.erase_devices_metadata" in failed.message
    assert "wipefs: /dev/vda is busy" in failed.message


def test_other_versions_of_the_managers_are_told_as_a_fact(up: Stage) -> None:
    up.run("deploy", "execute_in_band", **IN_BAND)
    assert sent(up, "clean.execute_clean_step")["clean_version"] == VERSION
    up.agent.finish("CLEAN_VERSION_MISMATCH")

    assert up.go_on("deploy", "execute_in_band", **IN_BAND) == Done(facts={"agent_version_mismatch": True})


def test_a_machine_that_was_reset_under_a_step_fails_it_with_cause_and_remedy(up: Stage) -> None:
    up.run("deploy", "execute_in_band", **IN_BAND)
    up.agent.restart()

    failed = error(up.go_on("deploy", "execute_in_band", **IN_BAND))

    assert isinstance(failed, OutcomeUnknown)
    assert "started anew" in failed.message
    assert "begin this work again" in failed.message
    assert up.agent.names == ["clean.execute_clean_step"]


def test_an_agent_that_goes_silent_is_waited_for_and_then_given_up(up: Stage) -> None:
    up.run("deploy", "execute_in_band", **IN_BAND)
    up.agents.expect(NODE)
    session = up.agents.session(NODE)
    assert session is not None
    with up.database.begin() as transaction:  # the agent's port is closed
        gone = replace(
            session, url="https://127.0.0.1:1", verify_ca=up.agent.verify_ca, token=SEALER.seal(up.agent.token),
            last_heartbeat_at=up.clock(),
        )  # fmt: skip
        store.write(transaction.connection, [gone])

    waits = up.slice("deploy", "execute_in_band", **IN_BAND)
    assert isinstance(waits, Again)
    assert "heard of 0 s ago" in (waits.progress or "")
    up.clock.advance(301)
    failed = error(up.slice("deploy", "execute_in_band", **IN_BAND))

    assert "not heard of since" in failed.message
    assert "console" in failed.message


def test_a_busy_agent_is_waited_for(up: Stage) -> None:
    up.agent.run("standby.power_off", {})

    waits = up.slice("deploy", "execute_in_band", **IN_BAND)

    assert isinstance(waits, Again)
    assert "busy" in (waits.progress or "")


def test_without_an_agent_nothing_is_sent_and_what_to_do_is_said(ground: Stage) -> None:
    for name, args in (("execute_in_band", IN_BAND), ("read_agent_steps", {"kind": "clean"})):
        failed = error(ground.run("deploy", name, **args))
        assert isinstance(failed, Conflict)
        assert "no agent has called" in failed.message


# ---- ramdisks, cleaning, rescue


def test_an_adopted_machine_keeps_what_it_boots(ground: Stage) -> None:
    ground.node["provision_state"] = "adopting"

    assert ground.run("deploy", "prepare") == Done()
    assert ground.boots() == "nothing"


def test_an_instance_that_runs_from_memory_boots_its_own_kernel(ground: Stage) -> None:
    files = ground.folder / "files"
    ground.node["interfaces"] = {**ground.node["interfaces"], "deploy": "ramdisk"}
    ground.node["instance_info"] = {"kernel": f"file://{files}/kernel", "ramdisk": f"file://{files}/ramdisk"}

    assert ground.fetched("deploy", "prepare") == Done()
    assert ground.run("deploy", "deploy") == Done()
    assert ground.boots() == "ramdisk"

    assert ground.run("deploy", "clean_up") == Done()
    assert ground.boots() == "local"


@pytest.mark.parametrize(("name", "purpose"), [("prepare_cleaning", "clean"), ("prepare_service", "service")])
def test_a_ramdisk_comes_and_goes_with_its_token(ground: Stage, name: str, purpose: str) -> None:
    assert ground.fetched("deploy", name) == Done()
    assert ground.boots() == purpose
    ground.agent_up()

    assert ground.run("deploy", name.replace("prepare", "tear_down")) == Done()

    assert ground.boots() == "local"
    with pytest.raises(InvalidRequest):
        ground.beat()


def test_an_agent_that_is_kept_stays_what_it_is(up: Stage) -> None:
    before = up.agents.session(NODE)

    for name in ("prepare", "prepare_cleaning", "tear_down_cleaning"):
        assert up.run("deploy", name, keep_agent=True) == Done()

    assert up.agents.session(NODE) == before
    assert up.run("deploy", "find_agent") == Done(facts={"agent_alive": True})
    up.clock.advance(301)
    assert up.run("deploy", "find_agent") == Done(facts={"agent_alive": False})


def test_no_ramdisk_named_by_anybody_is_said_with_the_settings(ground: Stage) -> None:
    ground.node["driver_info"]["deploy_kernel"] = "http://x/k"

    failed = error(ground.run("deploy", "prepare_cleaning"))

    assert "deploy_ramdisk" in failed.message
    assert "STEELYARD_DEPLOY_KERNEL" in failed.message


def test_a_rescue_tells_the_agent_the_hash_and_forgets_it(ground: Stage) -> None:
    ground.node["sealed_instance"] = {"/hashed_rescue_password": SEALER.seal("$6$salt$hash")}
    assert ground.fetched("rescue", "prepare") == Done()
    assert ground.boots() == "rescue"
    ground.agent_up()

    assert ground.run("rescue", "rescue") == Done()

    assert sent(ground, "rescue.finalize_rescue") == {"rescue_password": "$6$salt$hash", "hashed": True}
    assert ground.boots() == "local"
    assert ground.agents.session(NODE) is None
    assert ground.run("rescue", "unrescue") == Done()
    assert ground.run("rescue", "clean_up") == Done()


def test_an_inspection_boots_a_ramdisk_that_reports(ground: Stage) -> None:
    assert ground.fetched("boot", "prepare_inspection") == Done()
    assert ground.boots() == "inspect"
    assert ground.run("boot", "tear_down_inspection") == Done()
    assert ground.boots() == "local"


def test_nobody_waits_for_the_answer_of_a_machine_that_switches_itself_off(up: Stage) -> None:
    """A real one is off before it answers: seen in the lab, where each deployment waited two minutes for it."""
    up.agent.at_once = True

    assert up.run("deploy", "tear_down_agent") == Done()

    assert up.agent.names == ["standby.sync", "standby.power_off"]
    assert "standby.power_off" not in up.agent.waited_for


def test_a_machine_that_may_not_be_switched_off_takes_its_network_down(up: Stage) -> None:
    up.node["disable_power_off"] = True
    assert up.run("deploy", "tear_down_agent") == Done()
    assert up.agent.names == ["system.lockdown"]


def test_logs_are_kept_where_only_the_owner_reads_them(up: Stage) -> None:
    assert up.run("deploy", "collect_logs") == Done()

    (file,) = (up.folder / "logs").iterdir()
    assert file.read_bytes() == b"logs"
    assert file.name.startswith(NODE)
    assert file.stat().st_mode & 0o077 == 0
