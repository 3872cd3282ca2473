"""Names of deployed nodes in a real DNS server, with all services; and what a deployment does when it is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from steelyard_common.testing import eventually
from steelyard_local.testing import running_suite

from services.boot.tests.real_named import FORWARD, KEY, REVERSE, Named, needs_named

from .agent_life import living_agent
from .operator import Operator
from .test_agent import IMAGE, MAC, NODE

STATIC = {
    "links": [{"id": "e0", "type": "phy", "ethernet_mac_address": MAC}],
    "networks": [{"id": "n0", "type": "ipv4", "link": "e0", "ip_address": "192.0.2.7", "netmask": "255.255.255.0"}],
    "services": [],
}
DRIVE = {"meta_data": {}, "network_data": STATIC}


def _steps(operator: Operator, name: str) -> dict[str, Any]:
    """Of the last workflow: label → step."""
    listed = operator.ask("GET", f"/v1/nodes/{name}/workflows")["workflows"]
    found = operator.ask("GET", f"/v1/workflows/{listed[0]['uuid']}")
    return {f"{step['interface']}.{step['step']}": step for step in found["steps"]}


@needs_named
@pytest.mark.slow
def test_a_deployed_node_has_its_names_and_a_dns_server_that_is_away_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "dns").mkdir()
    named = Named(tmp_path / "dns")
    settings = {
        "STEELYARD_DNS_SERVER": f"127.0.0.1:{named.port}", "STEELYARD_DNS_ZONE": FORWARD,
        "STEELYARD_DNS_REVERSE_ZONES": REVERSE, "STEELYARD_DNS_KEY_NAME": KEY.name,
        "STEELYARD_DNS_KEY_SECRET": KEY.secret,
    }  # fmt: skip
    with running_suite(environment=settings) as suite, living_agent(suite.url, MAC, tmp_path):
        operator = Operator(suite.url)
        (name,) = operator.enrol([{"name": "web-1", **NODE, "automated_clean": False, "instance_info": IMAGE}])
        operator.ask("POST", "/v1/ports", {"node_uuid": operator.node(name)["uuid"], "address": MAC})

        def go(target: str, state: str, **more: Any) -> None:
            operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": target, **more})
            node = operator.wait(name, lambda node: node["provision_state"] in (state, "deploy failed", "error"))
            assert (node["provision_state"], node["last_error"]) == (state, None)

        go("provide", "available")
        go("active", "active", configdrive=DRIVE)
        missed = _steps(operator, name)["deploy.write_dns_records"]
        assert missed["status"] == "skipped"
        assert "cannot be reached" in missed["error"]
        said = "DNS server 127.0.0.1 cannot be reached"
        eventually(lambda: said in str(operator.ask("GET", f"/v1/nodes/{name}/timeline?limit=100")), timeout_s=60)
        with named.running():
            eventually(lambda: named.ask(f"web-1.{FORWARD}", "A") == ["192.0.2.7"], timeout_s=90, every_s=0.5)
            # The two zones are told one after the other.
            eventually(lambda: named.ask(f"7.{REVERSE}", "PTR") == [f"web-1.{FORWARD}"], timeout_s=60)
            go("deleted", "available")
            assert named.ask(f"web-1.{FORWARD}", "A") == named.ask(f"7.{REVERSE}", "PTR") == []
            operator.ask("PATCH", f"/v1/nodes/{name}", [
                {"op": "add", "path": "/instance_info", "value": IMAGE}
            ])  # fmt: skip
            go("active", "active", configdrive=DRIVE)
            assert named.ask(f"web-1.{FORWARD}", "A") == ["192.0.2.7"]
        logs = "".join(path.read_text(errors="replace") for path in suite.data.rglob("*.log"))
        assert KEY.secret not in logs
