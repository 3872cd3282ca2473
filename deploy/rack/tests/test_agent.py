"""Agents of simulated machines."""

from __future__ import annotations

import base64
import io
import tarfile

import aiohttp
import pytest
from steelyard_rack.agent.answers import VERSION

from .agent_stage import IMAGE, SUM, Stage, on_stage, until


async def _writes_an_image_and_boots_from_it(it: Stage) -> None:
    await it.agent()
    info = {"urls": [f"{it.outside.url}/file"], "os_hash_algo": "sha256", "os_hash_value": SUM, "node_uuid": "n-1"}

    status, wiped = await it.run("clean.execute_clean_step", step={"step": "erase_devices"}, clean_version=VERSION)
    assert (status, wiped["command_status"]) == (200, "SUCCEEDED")
    assert (it.machine.disk.holds, it.machine.disk.erased) == ("nothing", True)
    _, written = await it.step("write_image", image_info=info, configdrive="H4sI")
    assert written["command_result"]["deploy_step"]["step"] == "write_image"
    disk = it.machine.disk
    assert (disk.sha256, disk.size, disk.instance, disk.configdrive) == (SUM, len(IMAGE), "n-1", True)
    await until(lambda: len(it.outside.beats) >= 3)  # each command that ends is told at once
    assert (await it.run("standby.power_off"))[1]["command_status"] == "SUCCEEDED"
    await it.reaches("off")

    it.boot("Hdd")
    await it.reaches(f"instance {SUM[:12]}")
    assert ("clean.execute_clean_step erase_devices", "SUCCEEDED") in it.seen()
    assert [operation for operation, _ in it.seen("boot")] == ["GET /boot.ipxe", "GET /file"]


async def _is_as_strict_as_a_real_one(it: Stage) -> None:
    await it.agent()
    it.fault(slow_agent=100_000.0)

    assert (await it.run("standby.sync", token="x" * 43))[0] == 401
    assert (await it.run("no.such"))[0] == 400
    status, begun = await it.run("image.install_bootloader", wait=False)
    assert (status, begun["command_status"]) == (200, "RUNNING")
    assert (await it.run("standby.sync"))[0] == 409
    it.machine.pull_power(it.rack.clock())
    await it.gone()


async def _says_what_is_wrong_with_an_image(it: Stage) -> None:
    await it.agent()
    info = {"urls": [f"{it.outside.url}/file"], "os_hash_algo": "sha256", "os_hash_value": "0" * 64, "id": "i"}

    _, wrong = await it.step("write_image", image_info=info)
    _, missing = await it.step("write_image", image_info=info | {"urls": [f"{it.outside.url}/none"]})
    _, old = await it.run("deploy.execute_deploy_step", step={"step": "write_image"}, deploy_version={"other": "1"})

    assert "failed to verify against checksum" in wrong["command_error"]["details"]
    assert "Error downloading image: Download of image i failed" in missing["command_error"]["details"]
    assert "404" in missing["command_error"]["details"]
    assert old["command_status"] == "CLEAN_VERSION_MISMATCH"
    assert it.machine.disk.holds == "nothing"


async def _tells_what_it_found_and_packs_its_logs(it: Stage) -> None:
    it.outside.more_arguments = f"ipa-inspection-callback-url={it.outside.url}/found"
    it.outside.deaf = 20  # however quick the machine is, whom it calls may need its time
    await it.agent()

    (found,) = it.outside.found
    assert [each["mac_address"] for each in found["inventory"]["interfaces"]] == list(it.machine.identity.macs)
    _, logs = await it.run("log.collect_system_logs")
    packed = base64.b64decode(logs["command_result"]["system_logs"])
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        journal = archive.extractfile("journal")
        assert journal is not None
        assert b"inspection: 202" in journal.read()


async def _fails_dies_and_is_silent_as_it_is_told(it: Stage) -> None:
    it.fault(agent_fails="erase_devices=the disk is locked")
    await it.agent()
    _, failed = await it.run("clean.execute_clean_step", step={"step": "erase_devices"})
    assert failed["command_error"]["details"] == "the disk is locked"

    it.fault(agent_dies="install_bootloader", agent_fails=None)
    with pytest.raises(aiohttp.ClientError):
        await it.step("install_bootloader")
    await it.reaches("a ramdisk whose agent died")
    with pytest.raises(aiohttp.ClientError):
        await it.run("standby.sync")

    it.fault(agent_silent=True)
    it.machine.pull_power(it.rack.clock())
    it.boot()
    await it.reaches("a ramdisk whose agent says nothing")
    assert it.machine.boots == 2


async def _calls_with_a_token_that_is_not_its_own(it: Stage) -> None:
    await it.agent()
    for number, (kind, expected) in enumerate((("wrong", "x" * 43), ("replayed", "0" * 43)), start=1):
        it.outside.token = f"{number}" * 43 if kind == "replayed" else "0" * 43
        it.fault(agent_token=kind)
        await it.without_power()
        await it.agent()
        assert it.outside.beats[0]["agent_token"] == expected

    it.fault(agent_token=None, agent_of="rack-0002")
    await it.without_power()
    await it.agent()
    assert it.outside.addresses[-1] == ",".join(it.rack.units["rack-0002"].machine.identity.macs)


async def _leaves_after_a_rescue_and_a_lockdown(it: Stage) -> None:
    for command, stage_ in (
        ("rescue.finalize_rescue", "the rescue ramdisk"),
        ("system.lockdown", "a ramdisk without a network"),
    ):
        it.outside.beats.clear()
        await it.agent()
        assert (await it.run(command))[1]["command_status"] == "SUCCEEDED"
        await it.reaches(stage_)
        await it.gone()
        it.machine.pull_power(it.rack.clock())


async def _starts_an_instance_and_its_machine_keeps_its_power(it: Stage) -> None:
    await it.agent()
    assert "nothing" not in it.machine.disk.shows
    _, early = await it.run("steelyard.start_instance")
    _, former = await it.step("kexec_instance")
    it.machine.disk.write("5" * 64, 1, "http://x", None, 0.0)
    _, loaded = await it.step("kexec_instance")
    assert (await it.run("steelyard.start_instance"))[1]["command_status"] == "SUCCEEDED"
    await it.gone()

    assert "run the deploy step kexec_instance first" in early["command_error"]["details"]
    assert "no partition" in former["command_error"]["details"]
    assert loaded["command_result"]["deploy_result"]["kernel"] == "/boot/vmlinuz"
    assert it.machine.stage == "instance 555555555555"
    assert (it.machine.boots, it.machine.power(it.rack.clock())) == (1, "On")


async def _offers_what_it_does_not_lack(it: Stage) -> None:
    await it.agent()
    for lacks, has in ((None, True), ("kexec_instance", False)):
        it.fault(agent_lacks=lacks)
        _, told = await it.run("deploy.get_deploy_steps")
        listed = told["command_result"]["deploy_steps"]["SteelyardHardwareManager"]
        assert [step["step"] for step in listed] == (["kexec_instance"] if has else [])


test_an_agent_writes_an_image_and_its_machine_boots_from_it = on_stage(_writes_an_image_and_boots_from_it)
test_an_agent_is_as_strict_as_a_real_one_and_gone_without_power = on_stage(_is_as_strict_as_a_real_one)
test_an_agent_says_what_is_wrong_with_an_image = on_stage(_says_what_is_wrong_with_an_image)
test_an_agent_tells_what_it_found_and_packs_its_logs = on_stage(_tells_what_it_found_and_packs_its_logs)
test_an_agent_fails_dies_and_is_silent_as_it_is_told = on_stage(_fails_dies_and_is_silent_as_it_is_told)
test_an_agent_calls_with_a_token_that_is_not_its_own = on_stage(_calls_with_a_token_that_is_not_its_own)
test_an_agent_leaves_after_a_rescue_and_a_lockdown = on_stage(_leaves_after_a_rescue_and_a_lockdown)
test_an_agent_starts_an_instance = on_stage(_starts_an_instance_and_its_machine_keeps_its_power)
test_an_agent_offers_what_it_does_not_lack = on_stage(_offers_what_it_does_not_lack)
