"""What a stranger on the machines' network, the agent of another node, and a tenant with an image URL can do: nothing.

With all services, over real sockets. Names that change their address and what redirects do are tried one by one in
``services/boot/tests/test_drivers_sources.py``.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from steelyard_local.testing import RunningSuite, running_suite

from services.boot.tests.source_server import Source, serving

from .agent_life import LivingAgent, living_agent
from .operator import Operator

FAKES = ("bios", "raid", "vendor", "power", "management", "console", "firmware")
NODE: dict[str, Any] = {
    "driver": "fake-hardware", **{f"{name}_interface": "fake" for name in FAKES}, "boot_interface": "ipxe",
    "deploy_interface": "direct", "network_interface": "noop", "automated_clean": False,
}  # fmt: skip
NAMES = ("mine", "other")
MACS = {"mine": "52:54:00:00:99:01", "other": "52:54:00:00:99:02"}
CANARY = "canary-7f3a"
IMAGE = {"image_source": "https://images.example/cloud.qcow2", "image_checksum": "a" * 64}


@dataclass
class House:
    """Two nodes that wait for their agents, each with a kernel of its own."""

    suite: RunningSuite
    operator: Operator
    source: Source
    uuids: dict[str, str]

    @property
    def port(self) -> int:
        return int((self.suite.data / "boot-port").read_text().strip().rpartition(":")[2])

    def raw(self, path: str) -> tuple[int, bytes]:
        """``path`` as it stands: no client of ours puts it in order."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest("GET", path, skip_accept_encoding=True)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def script(self, name: str) -> str:
        status, body = self.raw(f"/ipxe?mac={MACS[name].replace(':', '-')}")
        assert status == 200
        return body.decode()


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    settings = {"STEELYARD_ARTIFACTS_TENANT_NETWORKS": "127.0.0.1/32", "STEELYARD_BOOT_PATIENCE_S": "600"}
    with serving() as source, running_suite(environment=settings) as suite:
        operator = Operator(suite.url)
        uuids = {}
        for name in NAMES:
            info = {part: source.put(f"/{name}-{part}", f"{name} {part}".encode()) for part in ("kernel", "ramdisk")}
            driver_info = {f"deploy_{part}": url for part, url in info.items()} | {"secret_password": CANARY}
            port = {"address": MACS[name]}
            operator.enrol([{
                "name": name, **NODE, "driver_info": driver_info, "instance_info": IMAGE, "ports": [port],
            }])  # fmt: skip
            uuids[name] = operator.node(name)["uuid"]
            operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": "provide"})
            operator.wait(name, lambda node: node["provision_state"] == "available")
            operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": "active"})
        for name in NAMES:
            operator.wait(name, lambda node: node["provision_state"] == "wait call-back")
        yield House(suite, operator, source, uuids)


# ---- what anybody may read


@pytest.mark.slow
def test_a_script_tells_of_its_own_node_alone_and_of_no_secret(house: House) -> None:
    scripts = {name: house.script(name) for name in NAMES}
    for name, other in (NAMES, NAMES[::-1]):
        files = set(re.findall(r"artifacts/([0-9a-f]{64})", scripts[name]))
        assert len(files) == 2
        assert not files & set(re.findall(r"artifacts/([0-9a-f]{64})", scripts[other]))
        for word in (MACS[other], house.uuids[other], CANARY, "agent-token", "password"):
            assert word not in scripts[name], word


TRAVERSALS = (
    "{0}/../../../../etc/passwd", "{0}/..%2f..%2f..%2f..%2fetc%2fpasswd", "{0}/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "{0}/%252e%252e%252f%252e%252e%252fetc%252fpasswd", "{0}/..%5c..%5c..%5cetc%5cpasswd", "{0}/....//....//etc/passwd",
    "{0}/..%c0%af..%c0%afetc/passwd", "{0}//etc/passwd", "{0}/%2fetc%2fpasswd", "{0}/%00../etc/passwd",
    "{0}/x%00.iso", "{0}/.", "{0}/..", "{0}/..;/..;/etc/passwd", "{0}/" + "../" * 64 + "etc/passwd",
    "{0}/" + "a" * 5000,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("below", ["/artifacts", "/media", "/loaders", "/pxelinux.cfg", "/x/pxelinux.cfg"])
def test_no_path_leads_out_of_what_is_served(house: House, below: str) -> None:
    (house.suite.data / "canary").write_text(CANARY)
    own = [
        f"{{0}}/{'../' * depth}{name}" for depth in (1, 2, 3) for name in ("canary", "boot-port", "keys", "state.json")
    ]
    for pattern in (*TRAVERSALS, *own, *(each.replace("../", "%2e%2e%2f") for each in own)):
        status, body = house.raw(pattern.format(below))
        assert status in (308, 400, 403, 404, 414), (pattern, status)  # 308: several slashes become one
        assert b"root:" not in body
        assert CANARY.encode() not in body


@pytest.mark.slow
def test_nobody_lists_or_guesses_what_there_is(house: House) -> None:
    for path in (
        "/artifacts",
        "/artifacts/",
        "/media/",
        "/loaders/",
        "/",
        "/artifacts/" + "0" * 64,
        "/metrics/../media",
    ):
        status, body = house.raw(path)
        assert status in (400, 404, 405), path
        assert not re.search(rb"[0-9a-f]{64}", body.replace(b"0" * 64, b""))


# ---- agents


def heartbeat(api: str, node: str, token: str, url: str, ca: str) -> int:
    body = {"callback_url": url, "agent_token": token, "agent_version": "13.0.0", "agent_verify_ca": ca}
    request = urllib.request.Request(
        f"{api}/v1/heartbeat/{node}", json.dumps(body).encode(),
        {"X-OpenStack-Ironic-API-Version": "1.68", "Content-Type": "application/json"}, method="POST",
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_only_the_agent_that_holds_the_token_drives_its_node_and_only_in_its_boot(house: House, tmp_path: Path) -> None:
    api, operator = house.suite.url, house.operator
    folders = {name: tmp_path / name for name in NAMES}
    for folder in folders.values():
        folder.mkdir()
    with living_agent(api, MACS["other"], folders["other"], at_once=False) as other:  # it stays where it is
        operator.wait("other", lambda node: "agent_url" in node["driver_internal_info"])
        thief = other.agent
        for token in (thief.token, "", "x" * 43, "******", thief.token[:-1]):
            assert heartbeat(api, house.uuids["mine"], token, thief.url, thief.verify_ca) in (400, 401), token
        assert "agent_url" not in operator.node("mine")["driver_internal_info"]

        _hijack(house, other)
        stolen = thief.token
        operator.ask("PUT", "/v1/nodes/other/states/provision", {"target": "abort"})
        operator.wait("other", lambda node: node["provision_state"] == "deploy failed" and not node["reservation"])
        assert heartbeat(api, house.uuids["other"], stolen, thief.url, thief.verify_ca) != 202
        operator.ask("PUT", "/v1/nodes/other/states/provision", {"target": "active"})
        other.stopping.set()
        operator.wait("other", lambda node: node["provision_state"] == "wait call-back")
        assert heartbeat(api, house.uuids["other"], stolen, thief.url, thief.verify_ca) != 202


def _hijack(house: House, other: LivingAgent) -> None:
    """Who has the token still cannot have the node's agent called elsewhere; who asks for it again gets none."""
    api, agent, node = house.suite.url, other.agent, house.uuids["other"]
    for url, ca in (("https://127.0.0.1:1", agent.verify_ca), (agent.url, agent.verify_ca[:-40]), ("http://x", "")):
        assert heartbeat(api, node, agent.token, url, ca) in (400, 409)
    status, answer = other.ask("GET", f"/v1/lookup?addresses={MACS['other']}", version="1.62")
    assert (status, answer["config"]["agent_token"]) == (200, "******")
    assert CANARY not in json.dumps(answer)
    assert agent.token not in json.dumps(house.operator.node("other"))


# ---- a tenant's URLs

INSIDE = (
    "http://[::1]:{0}/i", "http://169.254.169.254/latest/meta-data/", "http://[::ffff:7f00:2]:{0}/i",
    "http://2130706434:{0}/i", "http://0177.0.0.2:{0}/i", "file:///etc/passwd", "http://127.0.0.1:{0}/to-metadata",
    "http://127.0.0.1:{0}/to-loopback", "http://127.0.0.1:{0}/to-file",
)  # fmt: skip
REFUSED = re.compile(
    r"internal network|its name is not known|for those who run the service|user or password|are fetched from|no http"
)


@pytest.mark.slow
def test_a_tenants_image_url_leads_to_nothing_inside(house: House) -> None:
    source, operator = house.source, house.operator
    port = source.host.rpartition(":")[2]
    source.put("/to-metadata", location="http://169.254.169.254/latest/meta-data/")
    source.put("/to-loopback", location=f"http://127.0.0.2:{port}/i")
    source.put("/to-file", location="file:///etc/passwd")
    source.put("/i", CANARY.encode())
    ours = {"deploy_interface": "ramdisk", "owner": "house", "lessee": "tenant"}
    bodies = []
    for number, pattern in enumerate(INSIDE):
        info = {"kernel": pattern.format(port), "ramdisk": source.put("/good", b"ramdisk")}
        address = {"address": f"52:54:00:00:98:{number:02x}"}
        bodies.append({"name": f"t{number}", **NODE, **ours, "instance_info": info, "ports": [address]})
    for name in operator.enrol(bodies):
        operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": "provide"})
    for number in range(len(INSIDE)):
        operator.wait(f"t{number}", lambda node: node["provision_state"] == "available")
        operator.ask("PUT", f"/v1/nodes/t{number}/states/provision", {"target": "active"})
    for number, pattern in enumerate(INSIDE):
        failed = operator.wait(f"t{number}", lambda node: node["provision_state"] in ("deploy failed", "active"))
        assert failed["provision_state"] == "deploy failed", pattern
        assert REFUSED.search(failed["last_error"]), (pattern, failed["last_error"])
    assert source.requests["/i"] == 0


@pytest.mark.slow
def test_what_an_owner_names_leads_neither_to_our_own_machine_nor_to_metadata(house: House) -> None:
    operator = house.operator
    bodies = []
    for number, url in enumerate(("http://127.0.0.2/k", "http://[::1]/k", "http://169.254.169.254/latest/user-data")):
        named = {"driver_info": {"deploy_kernel": url, "deploy_ramdisk": url}, "instance_info": IMAGE, "owner": "house"}
        address = {"address": f"52:54:00:00:97:{number:02x}"}
        bodies.append({"name": f"o{number}", **NODE, **named, "ports": [address]})
    names = operator.enrol(bodies)
    for name in names:
        operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": "provide"})
    for name in names:
        operator.wait(name, lambda node: node["provision_state"] == "available")
        operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": "active"})
    for name in names:
        failed = operator.wait(name, lambda node: node["provision_state"] == "deploy failed")
        assert "the boot service's own machine" in failed["last_error"]
