"""Templates of kickstarts are filled in, and what is wrong with one is said."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion
from steelyard_boot.domain.install_rules import InstallRules
from steelyard_boot.domain.installer import installer, root_disk
from steelyard_boot.domain.kickstart import MOST_RENDERED, Options, render
from steelyard_boot.domain.kickstart_drive import MOST_BYTES, sections
from steelyard_boot.settings_installers import TEMPLATE
from steelyard_common.errors import InvalidRequest

OWN = TEMPLATE.read_text()
TOKEN = "t" * 43
OPTIONS = Options(
    liveimg_url="http://images.example/os.tar.gz", agent_token=TOKEN,
    heartbeats=("http://api.example:6385/v1/heartbeat/11111111-1111-4111-8111-111111111111",),
)  # fmt: skip
NOBODY = "http://[::1]:9/v1/heartbeat/n"  # of an address that this machine may not even have
# As in the documentation of others' templates: what all of them use.
THEIRS = """
{% if 'is_source_a_path' in ks_options -%}
url --url {{ ks_options.liveimg_url }}
{% else -%}
liveimg --url {{ ks_options.liveimg_url }}
{% endif -%}
%post
curl {% if ks_options.insecure_heartbeat is defined %}-k{% endif %} -d '{{ ks_options.agent_token }}' \
{{ ks_options.heartbeat_url }}
%end
{{ ks_options.config_drive }}
"""
FILES = {"openstack/latest/meta_data.json": b'{"uuid": "x"}', "openstack/latest/user_data": b"#!/bin/sh\n%end\n" * 50}
CASES = {
    "an image": OPTIONS,
    "an image with its checksum": replace(OPTIONS, liveimg_checksum="a" * 64, root_disk="disk/by-id/wwn-0x5000"),
    "a tree": replace(OPTIONS, liveimg_url="http://mirror.example/os/", is_source_a_path=True),
    "a config drive": replace(OPTIONS, config_drive=sections(FILES), insecure_heartbeat=True),
}


@pytest.mark.parametrize("version", ["RHEL8", "RHEL9", "F40"])
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_our_template_is_a_kickstart_for_each_installer(options: Options, version: str) -> None:
    parser = KickstartParser(makeVersion(version), missingIncludeIsFatal=True)
    parser.readKickstartFromString(render(OWN, options))

    handler = parser.handler
    chosen = handler.url.url if options.is_source_a_path else handler.liveimg.url
    assert chosen == options.liveimg_url
    assert (handler.liveimg.checksum or "") == options.liveimg_checksum
    scripts = [script.script for script in handler.scripts]
    assert len(scripts) == (4 if options.config_drive else 3)
    for script in scripts:
        subprocess.run(["bash", "-n", "-c", script], check=True)


@contextmanager
def hearing() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that takes heartbeats, the first of them only when it is repeated. → its URL, what it heard"""
    heard: list[dict[str, str]] = []
    refusals = [409]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_good = self.headers["X-OpenStack-Ironic-API-Version"] == "1.72" and not refusals
            heard.extend([said] if is_good else [])  # before the answer: who has got it looks at once
            self.send_response(202 if is_good else refusals.pop() if refusals else 406)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/heartbeat/n", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_real_shell_tells_how_it_goes_and_writes_the_config_drive(tmp_path: Path) -> None:
    (tmp_path / "anaconda.log").write_text('all went well\nno disk: "sda"\\ has $(id) `id`\n')
    with hearing() as (url, heard):
        text = render(OWN, replace(OPTIONS, heartbeats=(NOBODY, url), config_drive=sections(FILES)))
        text = text.replace("/var/lib/cloud", str(tmp_path)).replace("/tmp/anaconda.log", f"{tmp_path}/anaconda.log")
        parser = KickstartParser(makeVersion("RHEL9"))
        parser.readKickstartFromString(text.replace("sleep 10", ":"))
        for script in parser.handler.scripts:
            subprocess.run(["bash", "-c", script.script], check=True, timeout=60)

    assert [each["agent_status"] for each in heard] == ["start", "error", "end"]
    assert all(each["agent_token"] == TOKEN and each["callback_url"] == "" for each in heard)
    assert heard[1]["agent_status_message"] == "The installation failed: all went well no disk: sda has (id) id "
    folder = tmp_path / "seed" / "config_drive"
    assert {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()} == FILES
    assert all(each.stat().st_mode & 0o077 == 0 for each in folder.rglob("*"))


@pytest.mark.parametrize("name", ["is_source_a_path", "insecure_heartbeat"])
def test_a_template_that_ironics_users_have_is_taken(name: str) -> None:
    changed: dict[str, Any] = {name: True}
    plain, with_it = render(THEIRS, OPTIONS), render(THEIRS, replace(OPTIONS, **changed))
    assert ("liveimg --url" in plain, "-k" in plain) == (True, False)
    assert plain != with_it


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ ks_options.liveimg_ur }}", "'ks_options.liveimg_ur' is unknown"),
        ("{{ ks_options.root_disk }}", "has no attribute 'root_disk'"),
        ("\n{% for x in ks_options %}{% endfor %}", "line 2: 'for' is not taken"),
        ("{{ 'x' * 99999999 }}", "'mul' is not taken"),
        ("{{ ks_options.__class__ }}", "is unknown"),
        ("{{ ks_options.keys() }}", "is not taken"),
        ("{{ cycler }}", "'cycler' is unknown"),
        ("{{ ks_options.config_drive|center(99999999) }}", "filter 'center'"),
        ("{% include '/etc/passwd' %}", "'include' is not taken"),
        ("{% import 'os' as os %}", "is not taken"),
        ("{{ ks_options.liveimg_url", "line 1"),
        ("{{" + "(" * 5000, "nested too deeply"),
        ("{% if true %}" * 300 + "{% endif %}" * 300, "nested too deeply"),
        ("liveimg", "does not use ks_options.liveimg_url, ks_options.agent_token, ks_options.heartbeat_url"),
        (THEIRS.replace("%end", ""), "%post is not ended"),
    ],
)
def test_what_is_wrong_with_a_template_is_said(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as told:
        render(text, OPTIONS)
    assert says in told.value.message
    assert TOKEN not in told.value.message


def test_a_config_drive_that_the_template_would_lose_is_no_deployment() -> None:
    with pytest.raises(InvalidRequest, match="config_drive"):
        render(THEIRS.replace("{{ ks_options.config_drive }}", ""), replace(OPTIONS, config_drive="%post\n%end"))


def test_no_template_makes_more_than_fits() -> None:
    with pytest.raises(InvalidRequest, match="MiB"):
        render("{{ ks_options.config_drive }}" * 5, replace(OPTIONS, config_drive="x" * (MOST_RENDERED // 4)))


@pytest.mark.parametrize(
    "files", [{"a": b"x" * (MOST_BYTES + 1)}, {"../x": b""}, {"a b": b""}, {"$(id)": b""}, {"a\nb": b""}]
)
def test_a_config_drive_too_large_or_with_strange_names_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(InvalidRequest):
        sections(files)


NODE: dict[str, Any] = {
    "uuid": "n", "instance_info": {
        "kernel": "http://i/vmlinuz", "ramdisk": "http://i/initrd", "stage2": "http://i/squashfs.img",
        "image_source": "http://i/os.tgz", "image_checksum": "a" * 64,
    },
}  # fmt: skip


def test_the_installer_fetches_by_itself_only_what_it_can_check() -> None:
    rules = InstallRules().images
    by = [
        made.image.by if made.image else None
        for changed in ({}, {"image_checksum": "a" * 128}, {"image_download_source": "local"})
        for made in [installer({**NODE, "instance_info": NODE["instance_info"] | changed}, rules)]
    ]
    assert by == ["http", "local", "local"]


def test_a_tree_needs_neither_stage2_nor_checksum_and_what_is_missing_is_named_at_once() -> None:
    rules = InstallRules().images
    tree = {"kernel": "http://i/k", "ramdisk": "http://i/r", "image_source": "http://mirror/os/"}
    assert installer({"uuid": "n", "instance_info": tree}, rules).tree == "http://mirror/os/"
    with pytest.raises(InvalidRequest, match="no kernel, ramdisk, stage2, image_source"):
        installer({"uuid": "n"}, rules)


def test_what_an_instance_brings_is_its_projects_and_what_a_node_brings_its_owners() -> None:
    info = dict(NODE["instance_info"])
    node = {**NODE, "owner": "o", "lessee": "l", "driver_info": {"stage2": info.pop("stage2")}, "instance_info": info}
    wishes = installer(node, InstallRules().images).wishes
    assert (wishes["kernel"].project, wishes["kernel"].is_owners) == ("l", False)
    assert (wishes["stage2"].project, wishes["stage2"].is_owners) == (None, True)


def test_a_disk_is_told_by_name_wwn_or_path_and_no_other_hint_is_forgotten() -> None:
    told = [{"name": "/dev/sda"}, {"wwn": "0x5000c5"}, {"by_path": "/dev/disk/by-path/pci-0000:00:1f.2-ata-1"}]
    assert [root_disk({"properties": {"root_device": hint}}) for hint in told] == [
        "sda", "disk/by-id/wwn-0x5000c5", "disk/by-path/pci-0000:00:1f.2-ata-1",
    ]  # fmt: skip
    for hint in ({"size": 10}, {"name": "sda", "size": 1}, {"name": "sda --all"}, "sda"):
        with pytest.raises(InvalidRequest, match="root_device"):
            root_disk({"instance_info": {"root_device": hint}})
