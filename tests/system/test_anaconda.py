"""A machine of the rack is installed by its installer, as Anaconda would: booted, told what to do, watched, started.

No real Anaconda runs here. What the scripts of the kickstart do in a real shell, and whether installers read it, is
tested in services/boot/tests/test_domain_kickstart.py.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from steelyard_common.testing import eventually
from steelyard_local.testing import running_suite
from steelyard_rack.shelf import KERNEL, RAMDISK

from services.boot.tests.source_server import serving

from .test_rack_deploys import NOT_CLEANED, Fleet

TARBALL = b"a system in a tarball" * 1000
HEARTBEAT = """\
/usr/bin/curl -X POST -H 'X-OpenStack-Ironic-API-Version: 1.72' -d '{"callback_url": "", "agent_token": \
"{{ ks_options.agent_token }}", "agent_status": "%s", "agent_status_message": "%s"}' {{ ks_options.heartbeat_url }}
"""
# As users of others have theirs.
THEIRS = f"""\
text
reboot
liveimg --url {{{{ ks_options.liveimg_url }}}}
%pre
{HEARTBEAT % ("start", "it begins")}
%end
%onerror
{HEARTBEAT % ("error", "look at the console of rack 4")}
%end
%post
{HEARTBEAT % ("end", "it is done")}
%end
{{{{ ks_options.config_drive }}}}
"""
HOPS = ["script", "kernel", "ramdisk", "kickstart", "stage2", "heartbeat"]


@pytest.mark.slow
def test_an_installation_fails_with_the_installers_words_and_the_next_one_is_done_and_runs() -> None:
    quick = {"STEELYARD_INSTALLER_GRACE_S": "0.5"}
    with (
        serving() as source,
        running_suite("--rack", "1", "--rack-pace", "0.02", environment=quick | NOT_CLEANED) as suite,
    ):
        fleet = Fleet(suite)
        (name,) = fleet.names
        info = {
            "kernel": f"{fleet.rack.url}/files/{KERNEL}", "ramdisk": f"{fleet.rack.url}/files/{RAMDISK}",
            "image_source": source.put("/os.tar.gz", TARBALL),
            "image_checksum": hashlib.sha256(TARBALL).hexdigest(),
        }  # fmt: skip

        def give(**changed: Any) -> None:
            patch = [
                {"op": "add", "path": "/deploy_interface", "value": "anaconda"},
                {"op": "add", "path": "/boot_interface", "value": "ipxe"},
                {"op": "add", "path": "/instance_info", "value": info | changed},
            ]
            fleet.operator.ask("PATCH", f"/v1/nodes/{name}", patch)

        def lacking() -> Any:
            return fleet.operator.ask("GET", f"/v1/nodes/{name}/validate")["deploy"]

        give()
        fleet.go("manage", "manageable")
        fleet.go("provide", "available")
        told = lacking()
        assert (told["result"], "instance_info.stage2" in str(told["reason"])) == (False, True), told
        stages = {"stage2": source.put("/squashfs.img", b"a second stage")}
        give(**stages, ks_template=source.put("/ks.cfg", THEIRS.encode()))
        eventually(lambda: lacking() == {"result": True}, timeout_s=60)  # boot may still be about to offer what it has

        fleet.rack.set_faults(name, {"installer_fails": "no disk"})
        fleet.go("active", "deploy failed")
        (node,) = fleet.see("deploy failed")
        assert "the installer failed: look at the console of rack 4" in node["last_error"]

        fleet.rack.clear_faults(name)
        fleet.rack.clear_record()
        give(**stages)
        fleet.go("active", "active", configdrive={"user_data": "#!/bin/sh\n"})
        (machine,) = fleet.rack.machines()
        assert machine["disk"]["sha256"] == info["image_checksum"]
        assert machine["disk"]["configdrive"] is True
        assert machine["power"] == "On"
        eventually(lambda: fleet.rack.machine(name)["stage"].startswith("instance"), timeout_s=60)
        done = [entry["operation"] for entry in fleet.rack.record(name) if entry["protocol"] == "installer"]
        assert done[:3] == ["fetches ks.cfg", "fetches .treeinfo", "fetches squashfs.img"]
        assert list(dict.fromkeys(each for each in done if "call" in each)) == ["calls start", "calls end"]

        def seen() -> list[list[str]]:
            return [
                [hop["hop"] for hop in boot["hops"] if hop["hop"] != "power-on"]
                for boot in fleet.operator.ask("GET", f"/v1/nodes/{name}/boots")["boots"]
                if (boot["purpose"], boot["outcome"]) == ("install", "booted")
            ]

        eventually(lambda: HOPS in seen(), timeout_s=60)
        place = f"/v1/nodes/{name}/timeline?limit=1000"
        timeline = eventually(
            lambda: told if "installer" in str(told := fleet.operator.ask("GET", place)) else None, timeout_s=60
        )
        for text in (str(timeline), suite.data.with_suffix(".log").read_text(errors="replace")):
            assert "/installers/" not in text, "where a kickstart is, is as secret as what it holds"
