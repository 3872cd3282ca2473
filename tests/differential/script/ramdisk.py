"""What a ramdisk asks, up to where it is refused: lookup, heartbeat, continue_inspection."""

from __future__ import annotations

from typing import Any

from .words import ALPHA, BETA, FAKE, NOBODY, delete, get, other, post

MAC, MAC2, UNKNOWN = "52:54:00:00:01:01", "52:54:00:00:01:02", "52:54:00:00:01:99"
URL = "http://192.0.2.7:9999"
BEAT = {"callback_url": URL, "agent_version": "13.0.0", "agent_token": "t"}
FOUND = {"inventory": {"interfaces": [{"mac_address": MAC}]}}
H, C = "/v1/heartbeat/alpha", "/v1/continue_inspection"

BEATS: list[Any] = [
    {}, [], None, {"callback_url": URL}, {"agent_token": "t"}, BEAT | {"callback_url": "nonsense"},
    BEAT | {"callback_url": "ftp://x"}, BEAT | {"callback_url": ""}, BEAT | {"callback_url": 5},
    BEAT | {"callback_url": None}, BEAT | {"agent_token": 5}, BEAT | {"agent_token": None},
    BEAT | {"agent_version": 5}, BEAT | {"agent_verify_ca": "x"}, BEAT | {"agent_verify_ca": 5},
    BEAT | {"agent_status": "start"}, BEAT | {"agent_status": "bogus"}, BEAT | {"agent_status": 5},
    BEAT | {"agent_status_message": "m"}, BEAT | {"bogus": 1},
]  # fmt: skip
FINDINGS: list[Any] = [
    {}, [], None, {"inventory": {}}, {"inventory": []}, {"inventory": {"interfaces": []}},
    {"inventory": {"interfaces": {}}}, {"inventory": {"interfaces": [{}]}}, {"inventory": {"interfaces": [5]}},
    {"inventory": {"interfaces": [{"mac_address": 5}]}},
    {"inventory": {"interfaces": [{"mac_address": "nonsense"}]}},
    {"inventory": {"interfaces": [{"mac_address": "nonsense"}], "bmc_address": "192.0.2.1"}},
    {"inventory": {"interfaces": [{"mac_address": UNKNOWN}], "bmc_address": None, "more": 1}, "plugin": {}},
    {"inventory": {"interfaces": [{"mac_address": MAC}], "bmc_address": 5}},
    {"inventory": {"interfaces": [{"mac_address": MAC}], "bmc_v6address": "2001:db8::1"}},
    {"inventory": {"interfaces": [{"mac_address": MAC}, {"mac_address": MAC2}]}},
]  # fmt: skip
REQUESTS = [
    post("/v1/nodes", FAKE | {"uuid": ALPHA, "name": "alpha", "driver_info": {"agent_verify_ca": False}}),
    post("/v1/nodes", FAKE | {"uuid": BETA, "name": "beta"}),
    post("/v1/ports", {"node_uuid": ALPHA, "address": MAC}),
    post("/v1/ports", {"node_uuid": BETA, "address": MAC2}),
    get("/v1/lookup"),
    *(get(f"/v1/lookup?{query}", version) for version in ("1.115", "1.61", "1.22") for query in (
        f"addresses={MAC}", f"node_uuid={ALPHA}",
    )),
    *(get(f"/v1/lookup?{query}") for query in (
        "addresses=", "addresses=nonsense", f"addresses=nonsense,{MAC}", f"addresses={UNKNOWN}",
        f"addresses={MAC},{MAC2}", f"node_uuid={NOBODY}", "node_uuid=nonsense", "node_uuid=alpha",
        f"node_uuid={ALPHA}&addresses={UNKNOWN}", "bogus=1", f"addresses={MAC}&bogus=1",
    )),
    get(f"/v1/lookup?addresses={MAC}", "1.21"),
    get("/v1/lookup", None),
    post("/v1/lookup", {}),
    get(f"/v1/lookup/{ALPHA}"),
    post(H, BEAT),
    post(f"/v1/heartbeat/{ALPHA}", BEAT),
    post("/v1/heartbeat/nobody", BEAT),
    post(f"/v1/heartbeat/{NOBODY}", BEAT),
    post("/v1/heartbeat/a%20b", BEAT),
    post("/v1/heartbeat", BEAT),
    get(H),
    get("/v1/heartbeat"),
    other("PUT", H),
    *(post(H, body) for body in BEATS),
    *(post(H, BEAT | body, f"1.{minor}") for minor, body in (
        (21, {}), (22, {}), (35, {}), (36, {}), (61, {}), (67, {"agent_verify_ca": "x"}),
        (68, {"agent_verify_ca": "x"}),
        (71, {"agent_status": "start"}), (71, {"agent_status_message": "m"}), (72, {"agent_status": "end"}),
    )),
    post(H, {"callback_url": URL}, "1.22"),
    *(post(C, FOUND, version) for version in ("1.115", "1.84", "1.83", "1.2", "1.1", None)),
    *(post(C, body) for body in FINDINGS),
    *(post(f"{C}?{query}", FOUND) for query in (
        f"node_uuid={ALPHA}", f"node_uuid={NOBODY}", "node_uuid=nonsense", "node_uuid=alpha", "bogus=1",
    )),
    post(f"{C}?node_uuid={ALPHA}", FOUND, "1.1"),
    get(C),
    post(f"{C}/{ALPHA}", FOUND),
    delete("/v1/nodes/alpha"),
    delete("/v1/nodes/beta"),
]  # fmt: skip
