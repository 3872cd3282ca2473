"""Which slot of a BMC is meant by a device type of the API (API facts §7.3). Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from steelyard_common.bmc import MediaSlot
from steelyard_common.errors import Unsupported

# device type → MediaTypes of Redfish (DSP0268)
KINDS = {"cdrom": frozenset({"CD", "DVD"}), "disk": frozenset({"USBStick"}), "floppy": frozenset({"Floppy"})}


def slot_for(device_type: str, slots: Sequence[MediaSlot]) -> MediaSlot:
    """The first that fits, an empty one before the others. Errors: Unsupported."""
    fitting = [slot for slot in slots if KINDS[device_type] & set(slot.kinds)]
    if not fitting:
        has = sorted({kind for slot in slots for kind in slot.kinds}) or ["none at all"]
        raise Unsupported(f"this BMC has no slot for a {device_type}: its slots are for {', '.join(has)}")
    return next((slot for slot in fitting if not slot.is_inserted), fitting[0])


def inserted(device_types: Collection[str], slots: Sequence[MediaSlot]) -> list[MediaSlot]:
    """Those that hold something, of these types; of all where none is named."""
    wanted = {kind for each in device_types for kind in KINDS[each]}
    return [slot for slot in slots if slot.is_inserted and (not device_types or wanted & set(slot.kinds))]


def shown(slot: MediaSlot) -> dict[str, object]:
    """As the API shows it."""
    return {"media_types": list(slot.kinds), "inserted": slot.is_inserted, "image": slot.image}
