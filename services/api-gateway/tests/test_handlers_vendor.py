"""Vendor passthru, virtual media, and what ramdisks ask without being signed in."""

from __future__ import annotations

import re
from typing import Any

import bcrypt
import orjson
import pytest
from steelyard_api_gateway.main import TABLES
from steelyard_api_gateway.testing import Api, Others, fault, make_api, message
from steelyard_common.bus import CALLER, MemoryBus
from steelyard_common.errors import OutcomeUnknown

UUID = "5c217000-0000-4000-8000-000000000001"
MAC = "52:54:00:00:00:01"
N, D, MEDIA = "/v1/nodes/n1/vendor_passthru", "/v1/drivers/redfish/vendor_passthru", "/v1/nodes/n1/vmedia"
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ISO = {"device_type": "cdrom", "image_url": "http://i/x.iso"}
BEAT = {"callback_url": "http://192.0.2.7:9999", "agent_token": "t0ken"}
FOUND = {"inventory": {"interfaces": [{"mac_address": MAC}, {"mac_address": "none"}], "bmc_address": "192.0.2.1"}}
# method, path, body → status, verb on the bus, what its body holds
Case = tuple[str, str, Any, int, str, dict[str, Any]]
CALLS: list[Case] = [
    ("GET", f"{N}/methods", None, 200, "qry.vendor-methods", {"ident": "n1"}),
    ("GET", MEDIA, None, 200, "qry.virtual-media", {"ident": "n1"}),
    ("POST", MEDIA, ISO, 204, "cmd.attach-virtual-media", {**ISO, "image_url": "http://boot/x.iso"}),
    ("POST", MEDIA, {**ISO, "image_download_source": "http"}, 204, "cmd.attach-virtual-media", ISO),
    ("POST", MEDIA, {**ISO, "image_url": "nfs://i/x.iso"}, 204, "cmd.attach-virtual-media",
     {"image_url": "nfs://i/x.iso"}),
    ("DELETE", MEDIA, None, 204, "cmd.detach-virtual-media", {"device_types": []}),
    ("DELETE", f"{MEDIA}?device_types=CDROM, disk", None, 204, "cmd.detach-virtual-media",
     {"device_types": ["cdrom", "disk"]}),
    ("GET", f"/v1/lookup?addresses={MAC.upper()},none", None, 200, "cmd.agent-lookup",
     {"addresses": [MAC], "node_uuid": None}),
    ("GET", f"/v1/lookup?node_uuid={UUID}", None, 200, "cmd.agent-lookup", {"addresses": [], "node_uuid": UUID}),
    ("POST", "/v1/heartbeat/n1", BEAT, 202, "cmd.agent-heartbeat",
     {"ident": "n1", "url": BEAT["callback_url"], "token": "t0ken"}),
    ("POST", "/v1/continue_inspection", FOUND, 202, "cmd.agent-lookup", {"addresses": [], "node_uuid": UUID}),
]  # fmt: skip


@pytest.fixture
def others(others: Others) -> Others:
    others.replies["qry.virtual-media"] = b'{"media": []}'
    others.replies["cmd.fetch-artifact"] = b'{"status": "here", "url": "http://boot/x.iso"}'
    others.replies["qry.vendor-methods"] = b'{"methods": {"go": {"async": false}}}'
    others.replies["cmd.take-inspection"] = orjson.dumps({"uuid": UUID})
    others.replies["cmd.call-vendor"] = b'{"async": false, "return": "gone"}'
    return others


@pytest.mark.parametrize("case", CALLS, ids=[f"{case[0]} {case[1]}" for case in CALLS])
def test_a_route_asks_one_thing(api: Api, others: Others, case: Case) -> None:
    method, path, body, status, verb, holds = case

    response = api(method, path, body)

    assert response.status_code == status, response.data
    assert others.last[0] == verb
    assert others.last[1].items() >= holds.items()


def test_a_medium_that_boot_does_not_have_yet_is_asked_for_again(api: Api, others: Others) -> None:
    others.replies["cmd.fetch-artifact"] = b'{"status": "fetching", "progress": 0.5, "text": "x.iso: half of it"}'

    response = api("POST", MEDIA, ISO)

    assert response.status_code == 409
    assert "half of it" in message(response)
    assert others.last[0] == "cmd.fetch-artifact"
    assert others.last[1].items() >= {"url": ISO["image_url"], "kind": "iso"}.items()


def test_boot_serves_no_disks_to_bmcs(api: Api) -> None:
    response = api("POST", MEDIA, {**ISO, "device_type": "disk"})
    assert response.status_code == 400
    assert "'http'" in message(response)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("path", [f"{N}/go", f"{N}?method=go"])
def test_a_vendor_method_gets_the_verb_and_answers_in_its_own_words(
    api: Api, others: Others, path: str, verb: str
) -> None:
    response = api(verb, path, {"a": 1})

    assert (response.status_code, response.get_json()) == (200, "gone")
    assert others.last[1] == {"ident": "n1", "method": "go", "http_method": verb, "arguments": {"a": 1}}


def test_a_method_that_goes_on_by_itself_is_accepted_without_a_word(api: Api, others: Others) -> None:
    others.replies["cmd.call-vendor"] = b'{"async": true, "return": null}'

    response = api("POST", f"{N}/go", {})

    assert (response.status_code, response.data) == (202, b"")
    assert "Content-Type" not in response.headers


def test_drivers_have_no_methods_without_a_node(api: Api, others: Others) -> None:
    assert api("GET", f"{D}/methods").get_json() == {}
    for verb in VERBS:
        for path in (f"{D}/go", f"{D}?method=go"):
            assert message(api(verb, path)).startswith("No handler for method go")
    assert api("GET", "/v1/drivers/nobody/vendor_passthru/methods").status_code == 404
    assert others.asked == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", N, {}), ("GET", D, None), ("POST", f"{N}/go", []), ("POST", f"{N}/go?a=1", {}),
        ("POST", MEDIA, {}), ("POST", MEDIA, {"device_type": "cdrom"}), ("POST", MEDIA, ISO | {"bogus": 1}),
        ("POST", MEDIA, ISO | {"device_type": "tape"}), ("POST", MEDIA, ISO | {"image_url": "ftp://i/x"}),
        ("POST", MEDIA, ISO | {"image_url": "http://[x"}), ("POST", MEDIA, ISO | {"image_download_source": "x"}),
        ("DELETE", f"{MEDIA}?device_types=tape", None), ("GET", f"{MEDIA}?a=1", None),
        ("GET", "/v1/lookup", None), ("GET", "/v1/lookup?addresses=none", None),
        ("GET", "/v1/lookup?node_uuid=n1", None),
        ("GET", f"/v1/lookup?addresses={MAC}&a=1", None), ("POST", "/v1/heartbeat", BEAT),
        ("POST", "/v1/heartbeat/n1", {}), ("POST", "/v1/heartbeat/n1", {"callback_url": "http://a"}),
        ("POST", "/v1/heartbeat/n1", BEAT | {"callback_url": "http://[x"}),
        ("POST", "/v1/heartbeat/n1", BEAT | {"callback_url": "ftp://a"}), ("POST", "/v1/heartbeat/n1", BEAT | {"a": 1}),
        ("POST", "/v1/heartbeat/n1", BEAT | {"agent_status": "bogus"}),
        ("POST", "/v1/continue_inspection", []), ("POST", "/v1/continue_inspection", {"inventory": {"interfaces": []}}),
        ("POST", "/v1/continue_inspection", {"inventory": {"interfaces": [{"mac_address": "none"}]}}),
        ("POST", "/v1/continue_inspection", {"inventory": {"interfaces": [{"mac_address": MAC}], "bmc_address": 5}}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_before_anybody_is_asked(
    api: Api, others: Others, method: str, path: str, body: Any
) -> None:
    response = api(method, path, body)

    assert response.status_code == 400, response.data
    assert "faultstring" in fault(response)
    assert others.asked == []


@pytest.mark.parametrize(
    ("field", "since"),
    [("agent_version", 36), ("agent_verify_ca", 68), ("agent_status", 72), ("agent_status_message", 72)],
)
def test_a_heartbeat_says_what_its_version_knows(api: Api, field: str, since: int) -> None:
    body = BEAT | {field: "start"}

    assert api("POST", "/v1/heartbeat/n1", body, version=f"1.{since - 1}").status_code == 400
    assert api("POST", "/v1/heartbeat/n1", body, version=f"1.{since}").status_code == 202


@pytest.mark.parametrize(
    ("version", "query", "status"),
    [
        (None, "", 202), ("1.1", "", 202), ("1.84", f"?node_uuid={UUID}", 202), ("1.2", "", 404), ("1.83", "", 404),
        ("1.1", f"?node_uuid={UUID}", 404),
    ],
)  # fmt: skip
def test_findings_are_taken_from_the_agent_that_names_no_version(
    api: Api, version: str | None, query: str, status: int
) -> None:
    assert api("POST", f"/v1/continue_inspection{query}", FOUND, version=version).status_code == status


def test_findings_may_be_large(api: Api) -> None:
    body = FOUND | {"logs": "x" * (2 * 1024 * 1024)}

    assert api("POST", "/v1/continue_inspection", body).status_code == 202
    assert api("POST", "/v1/heartbeat/n1", body).status_code == 413


def test_ramdisks_need_no_credentials_where_everybody_else_does(bus: MemoryBus, others: Others, tmp_path: Any) -> None:
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text(f"admin:{bcrypt.hashpw(b'pass', bcrypt.gensalt(4)).decode()}\n")
    locked = make_api(bus, auth="http_basic", htpasswd_file=str(htpasswd))

    assert locked("GET", f"/v1/lookup?addresses={MAC}").status_code == 200
    assert locked("POST", "/v1/heartbeat/n1", BEAT).status_code == 202
    assert locked("POST", "/v1/continue_inspection", FOUND).status_code == 202
    who = orjson.loads(others.last_headers[CALLER])
    assert (who["user"], who["roles"]) == (None, [])
    for path in ("/v1/nodes", MEDIA, f"{N}/methods", "/v1/heartbeat", "/v1/lookup/x"):
        assert locked("GET", path).status_code == 401


class LosesOne(MemoryBus):
    """The answer to the first command of each kind in ``loses`` does not come: it was taken all the same."""

    def __init__(self, *loses: str) -> None:
        super().__init__()
        self.loses = set(loses)

    def request(self, subject: str, body: Any, **more: Any) -> bytes:
        reply = super().request(subject, body, **more)
        verb = subject.rpartition(".")[2]
        if verb in self.loses:
            self.loses.remove(verb)
            raise OutcomeUnknown
        return reply


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/v1/lookup?addresses={MAC}&node_uuid={UUID}", None, 200),
        ("POST", "/v1/continue_inspection", FOUND, 202),
    ],
)
def test_a_lookup_whose_answer_is_lost_is_asked_for_again_as_the_same_request(
    method: str, path: str, body: Any, status: int
) -> None:
    others = Others(LosesOne("agent-lookup"))
    others.serve()
    others.replies["cmd.take-inspection"] = orjson.dumps({"uuid": UUID})
    api = make_api(others.bus)

    response = api(method, path, body)

    assert (response.status_code, response.get_json()) == (status, {"canned": "cmd.agent-lookup"})
    lookups = [(asked, headers[CALLER]) for verb, asked, headers in others.asked if verb == "cmd.agent-lookup"]
    assert len(lookups) == 2
    assert lookups[0] == lookups[1]
    assert orjson.loads(lookups[0][1])["request_id"] == response.headers["Openstack-Request-Id"]

    api(method, path, body)
    assert others.last_headers[CALLER] != lookups[0][1]


@pytest.mark.parametrize(
    ("path", "body", "verb"),
    [("/v1/heartbeat/n1", BEAT, "agent-heartbeat"), ("/v1/continue_inspection", FOUND, "take-inspection")],
)
def test_what_else_ramdisks_say_is_told_once(path: str, body: Any, verb: str) -> None:
    others = Others(LosesOne(verb))
    others.serve()

    assert make_api(others.bus)("POST", path, body).status_code == 504
    assert [asked for asked, *_ in others.asked] == [f"cmd.{verb}"]


def test_every_route_of_these_tables_is_called_above() -> None:
    tried = {(method, re.sub(r"\?.*", "", path)) for method, path, *_ in CALLS}
    tried |= {(verb, path) for verb in VERBS for path in (N, f"{N}/go", D, f"{D}/go")} | {("GET", f"{D}/methods")}

    for name in ("node_vendor", "ramdisks"):
        for route in TABLES[name][0]:
            pattern = re.compile("/v1" + re.sub(r"<\w+>", "[^/]+", route.path))
            assert any(method == route.method and pattern.fullmatch(path) for method, path in tried), route
