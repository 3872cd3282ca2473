"""VIFs, shards, children, events, BIOS, firmware, history, inventory, indicators, virtual media, console, RAID."""

from __future__ import annotations

from typing import Any

from .words import ALPHA, BETA, FAKE, GROUP, NOBODY, PORT, delete, get, other, post, put

N = "/v1/nodes/alpha"
MAC = "52:54:00:00:01:01"
BOUND = {"event": "network.bind_port", "port_id": PORT, "mac_address": MAC, "status": "ACTIVE"}

NODES = [
    post("/v1/nodes", FAKE | {"uuid": ALPHA, "name": "alpha"}),
    post("/v1/nodes", FAKE | {"uuid": BETA, "name": "beta", "shard": "s", "parent_node": ALPHA}),
    get("/v1/shards"),
    get("/v1/shards?bogus=1"),
    get("/v1/shards", "1.81"),
    get("/v1/shards/s"),
    post("/v1/shards", {}),
    get(f"{N}/children"),
    get(f"{N}/children", "1.82"),
    get(f"{N}/children?bogus=1"),
    get("/v1/nodes/beta/children"),
    get("/v1/nodes/nobody/children"),
    post(f"{N}/children", {}),
]
VIF_BODIES: list[Any] = [
    {}, [], None, {"id": 5}, {"id": "a b"}, {"id": None}, {"id": "v"}, {"id": NOBODY, "more": 1},
    {"id": "v", "port_uuid": PORT, "portgroup_uuid": GROUP}, {"id": "v", "port_uuid": "x"},
    {"id": "v", "port_uuid": PORT}, {"id": "v", "portgroup_uuid": GROUP},
]  # fmt: skip
VIFS = [
    get(f"{N}/vifs"),
    get(f"{N}/vifs", "1.27"),
    get(f"{N}/vifs?bogus=1"),
    get("/v1/nodes/nobody/vifs"),
    *(post(f"{N}/vifs", body) for body in VIF_BODIES),
    post(f"{N}/vifs", {"id": "v"}, "1.27"),
    post("/v1/nodes/nobody/vifs", {"id": "v"}),
    get(f"{N}/vifs"),
    other("PUT", f"{N}/vifs"),
    get(f"{N}/vifs/v"),
    delete(f"{N}/vifs"),
    delete(f"{N}/vifs/v"),
    delete(f"{N}/vifs/a%20b"),
    delete(f"{N}/vifs/v", "1.27"),
    delete("/v1/nodes/nobody/vifs/v"),
]  # fmt: skip
EVENT_BODIES: list[Any] = [
    {}, [], {"events": []}, {"events": {}}, {"events": [5]}, {"events": [{"event": "x"}]}, {"events": [{}]},
    {"events": [BOUND | {"bogus": 1}]}, {"events": [BOUND | {"mac_address": "x"}]}, {"bogus": 1},
    {"events": [BOUND | {"port_id": "x"}]}, {"events": [BOUND | {"status": 5}]},
    {"events": [BOUND | {"binding:host_id": "h", "binding:vnic_type": "baremetal"}]},
    {"events": [BOUND], "bogus": 1},
]  # fmt: skip
EVENTS = [
    post("/v1/events", {"events": [BOUND]}),
    post("/v1/events", {"events": [BOUND | {"event": "network.unbind_port"}, BOUND | {"device_id": "d"}]}),
    post("/v1/events", {"events": [BOUND]}, "1.53"),
    *(post("/v1/events", body) for body in EVENT_BODIES),
    get("/v1/events"),
]  # fmt: skip
WRITTEN_BY_OTHERS = [
    *(get(f"{N}/bios", f"1.{minor}") for minor in (39, 40, 74)),
    *(get(f"{N}/bios?{query}") for query in (
        "detail=True", "detail=maybe", "fields=name", "fields=bogus", "detail=True&fields=name", "bogus=1",
    )),
    get(f"{N}/bios?fields=name", "1.73"),
    get(f"{N}/bios?detail=True", "1.73"),
    get(f"{N}/bios/x"),
    get("/v1/nodes/nobody/bios"),
    post(f"{N}/bios", {}),
    *(get(f"{N}/firmware", f"1.{minor}") for minor in (85, 86, 114)),
    get(f"{N}/firmware?fields=component"),
    get(f"{N}/firmware?fields=bogus"),
    get(f"{N}/firmware?fields=vendor", "1.113"),
    get("/v1/nodes/nobody/firmware"),
    get(f"{N}/firmware/bios"),
    get("/v1/nodes/beta/history"),
    *(get(f"/v1/nodes/beta/history?{query}") for query in (
        "detail=True", "detail=maybe", "fields=uuid", "fields=bogus", "limit=0", "limit=x", "marker=x",
        f"marker={NOBODY}", "sort_key=created_at", "sort_key=severity", "sort_key=bogus", "sort_dir=up", "bogus=1",
    )),
    get("/v1/nodes/beta/history", "1.77"),
    get(f"/v1/nodes/beta/history/{NOBODY}"),
    get("/v1/nodes/beta/history/x"),
    get("/v1/nodes/nobody/history"),
    get(f"{N}/inventory"),
    get(f"{N}/inventory", "1.80"),
    get("/v1/nodes/nobody/inventory"),
    get(f"{N}/inventory?bogus=1"),
]  # fmt: skip
LAMPS = [
    get(f"{N}/management/indicators"),
    get(f"{N}/management/indicators?component=system"),
    get(f"{N}/management/indicators/led"),
    get(f"{N}/management/indicators/led@chassis"),
    put(f"{N}/management/indicators/led@chassis", {"state": "on"}),
    put(f"{N}/management/indicators/led@chassis", {"state": "bogus"}),
    put(f"{N}/management/indicators/led@chassis", {}),
    put(f"{N}/management/indicators/led", {"state": "on"}),
    get("/v1/nodes/nobody/management/indicators"),
]
MEDIA_BODIES: list[Any] = [
    {}, [], {"device_type": "cdrom"}, {"image_url": "http://i/x.iso"}, {"device_type": "tape", "image_url": "http://i/x"},
    {"device_type": "cdrom", "image_url": "x.iso"}, {"device_type": "cdrom", "image_url": "ftp://i/x.iso"},
    {"device_type": "cdrom", "image_url": "http://i/x.iso", "bogus": 1}, {"device_type": "cdrom", "image_url": 5},
    {"device_type": "cdrom", "image_url": "http://i/x.iso", "image_download_source": "bogus"},
    {"device_type": "cdrom", "image_url": "http://i/x.iso"}, {"device_type": "disk", "image_url": "glance://x"},
    {"device_type": "floppy", "image_url": "file:///x", "image_download_source": "http"},
]  # fmt: skip
MEDIA = [
    get(f"{N}/vmedia", "1.92"),
    get(f"{N}/vmedia"),
    get("/v1/nodes/nobody/vmedia"),
    *(post(f"{N}/vmedia", body) for body in MEDIA_BODIES),
    post(f"{N}/vmedia", {"device_type": "cdrom", "image_url": "http://i/x.iso"}, "1.88"),
    post("/v1/nodes/nobody/vmedia", {"device_type": "cdrom", "image_url": "http://i/x.iso"}),
    delete(f"{N}/vmedia"),
    delete(f"{N}/vmedia", "1.88"),
    delete(f"{N}/vmedia?device_types=cdrom,disk"),
    delete(f"{N}/vmedia?device_types=tape"),
    delete(f"{N}/vmedia?bogus=1"),
    delete("/v1/nodes/nobody/vmedia"),
    other("PUT", f"{N}/vmedia"),
]  # fmt: skip
LEAVING = [delete("/v1/nodes/beta"), delete("/v1/nodes/alpha"), get("/v1/shards")]
REQUESTS = [*NODES, *VIFS, *EVENTS, *WRITTEN_BY_OTHERS, *LAMPS, *MEDIA, *LEAVING]
