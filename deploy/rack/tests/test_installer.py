"""What a simulated installer makes of kickstarts, ours and others'."""

from __future__ import annotations

import pytest
from steelyard_boot.domain.kickstart import Options, render
from steelyard_boot.domain.kickstart_drive import sections
from steelyard_boot.settings_installers import TEMPLATE
from steelyard_rack.installer.anaconda import Orders
from steelyard_rack.installer.kickstart import BadKickstart, read
from steelyard_rack.installer.shell import Call, Write, deeds

API = "http://api/v1/heartbeat/n"
OTHER = "http://[2001:db8::5]:6385/v1/heartbeat/n"
OPTIONS = Options(
    liveimg_url="http://i/os.tgz", agent_token="t", heartbeats=(OTHER, API), liveimg_checksum="a" * 64,
    config_drive=sections({"openstack/latest/user_data": b"#!/bin/sh\n" * 20}),
)  # fmt: skip
THEIRS = """\
url --url http://mirror/os/
reboot
%packages
@core
%end
%post
/usr/bin/curl -X PUT -H 'Accept: application/json' -H 'X-OpenStack-Ironic-API-Version: 1.72' \\
  -d '{"agent_status": "end", "words": "a b"}' http://api/v1/heartbeat/n
rm -rf /
%end
"""


def test_our_own_kickstart_is_read_with_all_that_its_scripts_do() -> None:
    told = read(render(TEMPLATE.read_text(), OPTIONS))

    assert told.commands["liveimg"] == {"url": "http://i/os.tgz", "checksum": "a" * 64}
    assert told.ending == "poweroff"
    (begun,) = [deed for script in told.of("%pre") for deed in deeds(script)]
    assert isinstance(begun, Call)
    assert (begun.method, begun.url, begun.others, begun.is_repeated) == ("POST", OTHER, (API,), True)
    assert '"agent_status": "start"' in begun.data
    assert begun.headers["x-openstack-ironic-api-version"] == "1.72"
    written, ended = [deed for script in told.of("%post") for deed in deeds(script)]
    assert written == Write(
        path="/var/lib/cloud/seed/config_drive/openstack/latest/user_data", content=b"#!/bin/sh\n" * 20
    )
    assert isinstance(ended, Call)
    assert '"end"' in ended.data
    (failed,) = [deed for script in told.of("%onerror") for deed in deeds(script, log="no disk")]
    assert isinstance(failed, Call)
    assert '"The installation failed: no disk"' in failed.data


def test_a_kickstart_of_others_is_read_and_nothing_of_it_is_run() -> None:
    told = read(THEIRS)

    assert (told.commands["url"]["url"], told.ending) == ("http://mirror/os/", "reboot")
    (only,) = [deed for script in told.of("%post") for deed in deeds(script)]
    assert only == Call(
        method="PUT", url=API, data='{"agent_status": "end", "words": "a b"}',
        headers={"accept": "application/json", "x-openstack-ironic-api-version": "1.72"},
    )  # fmt: skip


@pytest.mark.parametrize("text", ["%post\necho", "liveimg --url='http://"])
def test_a_broken_kickstart_is_told(text: str) -> None:
    with pytest.raises(BadKickstart):
        read(text)


def test_an_installer_is_told_by_its_kernels_arguments() -> None:
    assert Orders.of("nofb a=b ipa-api-url=http://api") is None
    told = Orders.of("inst.ks=http://b/x/ks.cfg inst.ks.sendmac inst.repo=http://m/os/ inst.stage2=http://b/x")
    assert told == Orders(kickstart="http://b/x/ks.cfg", stage2="http://b/x", names_nics=True)
    assert Orders.of("inst.ks=http://k inst.repo=http://m/os/") == Orders(
        kickstart="http://k", stage2="http://m/os", names_nics=False
    )
