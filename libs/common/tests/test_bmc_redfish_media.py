"""Virtual media over Redfish: BMCs that differ in where slots are, in what they take and in when they are done."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.bmc import MediaSlot, RemoteMedia
from steelyard_common.errors import DeviceRefused, NotFound, OutcomeUnknown, Unsupported

from libs.common.tests.replay_server import ReplayBmc, Reply, recorded
from libs.common.tests.test_bmc_redfish_quirks import SYSTEM, talking_to

ISO, OTHER = "http://192.0.2.1/media/abc.iso", "http://192.0.2.1/media/old.iso"
MANAGER = "/redfish/v1/Managers/1"


class MediaBmc(ReplayBmc):
    """A BMC with a CD and a USB slot. ``wants``: fields without which an insert is refused; ``refuses``: with which.

    ``lag``: how often a slot is read before it shows what was done. ``breaks``: answers 500 and does it all the same.
    """

    def __init__(self, *, below: str = SYSTEM, has_actions: bool = True, wants: tuple[str, ...] = (),
                 refuses: tuple[str, ...] = (), lag: int = 0, breaks: bool = False) -> None:  # fmt: skip
        super().__init__(recorded("plain").replies)
        self.wants, self.refuses, self.lag, self.breaks = wants, refuses, lag, breaks
        self._pending: dict[str, tuple[int, dict[str, Any]]] = {}
        self.slots = [f"{below}/VirtualMedia/{name}" for name in ("Cd", "Usb")]
        self.replies[f"GET {below}/VirtualMedia"] = [200, {}, {"Members": [{"@odata.id": slot} for slot in self.slots]}]
        for slot, kinds in zip(self.slots, (["CD", "DVD"], ["USBStick", "Floppy"]), strict=True):
            actions = {
                f"#VirtualMedia.{verb}": {"target": f"{slot}/Actions/{verb}"} for verb in ("InsertMedia", "EjectMedia")
            }
            shown = {"@odata.id": slot, "Name": slot[-3:], "MediaTypes": kinds, "Image": None, "Inserted": False}
            self.replies[f"GET {slot}"] = [200, {}, shown | ({"Actions": actions} if has_actions else {})]
        link = {"VirtualMedia": {"@odata.id": f"{below}/VirtualMedia"}}
        if below == SYSTEM:
            self.replies[f"GET {SYSTEM}"][2].update(link)
        else:
            self.replies[f"GET {SYSTEM}"][2]["Links"] = {"ManagedBy": [{"@odata.id": below}]}
            self.replies[f"GET {below}"] = [200, {}, {"Id": "1", "Name": "BMC", **link}]

    def shown(self, slot: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = self.replies[f"GET {self.slots[slot]}"][2]
        return document

    def answer(self, method: str, path: str, body: Any) -> Reply:
        slot = next((slot for slot in self.slots if path.startswith(slot)), None)
        if slot is None or method == "GET":
            self._settle(path)
            return super().answer(method, path, body)
        if path.endswith("EjectMedia") or (method == "PATCH" and body.get("Image") is None):
            return self._done(slot, {"Image": None, "Inserted": False})
        if any(name not in body for name in self.wants) or any(name in body for name in self.refuses):
            return 400, {}, {"error": {"code": "Base.1.0.ActionParameterMissing", "message": "no"}}
        return self._done(slot, {"Image": body["Image"], "Inserted": True})

    def _done(self, slot: str, change: dict[str, Any]) -> Reply:
        self._pending[slot] = (self.lag, change)
        if not self.lag:
            self._settle(slot)
        return (500, {}, {}) if self.breaks else (202 if self.lag else 204, {}, None)

    def _settle(self, path: str) -> None:
        if path in self._pending:
            left, change = self._pending[path]
            self._pending[path] = (left - 1, change)
            if left <= 0:
                self.replies[f"GET {path}"][2].update(self._pending.pop(path)[1])


def media(driver: object) -> RemoteMedia:
    assert isinstance(driver, RemoteMedia)
    return driver


@pytest.mark.parametrize("below", [SYSTEM, MANAGER])
def test_slots_are_found_below_the_system_or_below_its_manager(below: str) -> None:
    bmc = MediaBmc(below=below)

    with talking_to(bmc) as driver:
        slots = media(driver).media_slots()

    assert [(slot.id, slot.kinds) for slot in slots] == [
        (bmc.slots[0], ("CD", "DVD")), (bmc.slots[1], ("USBStick", "Floppy")),
    ]  # fmt: skip


def test_a_bmc_without_virtual_media_has_no_slots() -> None:
    with talking_to(recorded("plain")) as driver:
        assert media(driver).media_slots() == ()


@pytest.mark.parametrize(
    "behaviour",
    [
        {}, {"has_actions": False}, {"wants": ("TransferProtocolType",)},
        {"refuses": ("Inserted", "WriteProtected")},
        {"refuses": ("TransferProtocolType",)}, {"wants": ("Inserted",)}, {"wants": ("UserName",)}, {"lag": 1},
        {"breaks": True},
        {"below": MANAGER, "has_actions": False, "wants": ("TransferMethod", "Inserted")},
    ],
)  # fmt: skip
def test_a_medium_is_inserted_and_ejected_whatever_the_bmc_wants_to_be_told(behaviour: dict[str, Any]) -> None:
    bmc = MediaBmc(**behaviour)

    with talking_to(bmc) as driver:
        media(driver).insert_media(bmc.slots[0], ISO)
        assert (bmc.shown()["Image"], bmc.shown()["Inserted"]) == (ISO, True)
        media(driver).eject_media(bmc.slots[0])

    assert bmc.shown()["Inserted"] is False


def test_what_is_so_already_is_not_done_again() -> None:
    bmc = MediaBmc()

    with talking_to(bmc) as driver:
        for _ in range(2):
            media(driver).insert_media(bmc.slots[0], ISO)
        for _ in range(2):
            media(driver).eject_media(bmc.slots[0])

    assert [path.rsplit("/", 1)[-1] for path, _ in bmc.of("POST") if "VirtualMedia" in path] == [
        "InsertMedia",
        "EjectMedia",
    ]


def test_another_medium_in_the_slot_is_ejected_first() -> None:
    bmc = MediaBmc()
    bmc.shown().update({"Image": OTHER, "Inserted": True})

    with talking_to(bmc) as driver:
        media(driver).insert_media(bmc.slots[0], ISO)
        assert media(driver).media_slots()[0] == MediaSlot(
            id=bmc.slots[0], name="/Cd", kinds=("CD", "DVD"), is_inserted=True, image=ISO
        )


def test_a_bmc_that_refuses_every_form_is_believed() -> None:
    bmc = MediaBmc(wants=("Nonsense",))

    with talking_to(bmc) as driver, pytest.raises(DeviceRefused):
        media(driver).insert_media(bmc.slots[0], ISO)


def test_a_medium_that_never_comes_is_an_unknown_outcome_within_the_deadline() -> None:
    bmc = MediaBmc(lag=1000)

    with talking_to(bmc, timeout_s=8) as driver, pytest.raises(OutcomeUnknown, match="in time"):
        media(driver).insert_media(bmc.slots[0], ISO)


def test_a_slot_that_is_not_there_is_named() -> None:
    with talking_to(MediaBmc()) as driver, pytest.raises(NotFound, match="Nope"):
        media(driver).insert_media(f"{SYSTEM}/VirtualMedia/Nope", ISO)


def test_the_next_boot_is_from_a_url_where_the_firmware_can_and_only_that_device_keeps_it() -> None:
    bmc = recorded("plain")
    boot = bmc.replies[f"GET {SYSTEM}"][2]["Boot"]
    boot["HttpBootUri"] = None
    with talking_to(bmc) as driver, pytest.raises(Unsupported, match="UefiHttp"):
        media(driver).set_http_boot(ISO)
    boot["BootSourceOverrideTarget@Redfish.AllowableValues"].append("UefiHttp")

    with talking_to(bmc) as driver:
        media(driver).set_http_boot(ISO)
        driver.set_boot_device("url", persistent=False)
        assert (boot["BootSourceOverrideTarget"], boot["HttpBootUri"]) == ("UefiHttp", ISO)
        for device, target in (("uefihttp", "UefiHttp"), ("disk", "Hdd")):
            media(driver).set_http_boot(ISO)
            driver.set_boot_device(device, persistent=True)
            assert (boot["BootSourceOverrideTarget"], boot["HttpBootUri"]) == (target, None)


def test_what_is_no_url_is_not_given_back_to_the_bmc_as_one() -> None:
    """sushy-tools 2.2 shows the text "None" where no URL is set, and fetches what it is told."""
    bmc = recorded("plain")
    boot = bmc.replies[f"GET {SYSTEM}"][2]["Boot"]
    boot["HttpBootUri"] = "None"
    boot["BootSourceOverrideTarget@Redfish.AllowableValues"].append("UefiHttp")

    with talking_to(bmc) as driver:
        driver.set_boot_device("url", persistent=False)

    changes = [body for _, body in bmc.of("PATCH")]
    assert changes
    assert all("HttpBootUri" not in body["Boot"] for body in changes)
