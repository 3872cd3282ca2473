"""What a machine is made of, apart from its behaviour: who it is, how fast, its boot settings, its media slots."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Timings:
    """Seconds that things take: the shortest and the longest; each machine has its own place between."""

    power_on_s: tuple[float, float] = (1.0, 3.0)
    power_off_s: tuple[float, float] = (1.0, 3.0)
    soft_off_s: tuple[float, float] = (3.0, 6.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What never changes about a machine."""

    name: str
    uuid: str
    serial: str
    macs: tuple[str, ...]
    seed: int
    manufacturer: str = "Steelyard"
    model: str = "Simulated R1"


@dataclass(kw_only=True, slots=True)
class BootSettings:
    """The boot override, in Redfish's words."""

    target: str = "None"
    enabled: str = "Disabled"
    mode: str = "UEFI"
    http_uri: str = ""


@dataclass(kw_only=True, slots=True)
class Slot:
    """One slot for virtual media. ``kinds`` in Redfish's words; ``image``: the URL of what is in it."""

    kinds: tuple[str, ...]
    image: str = ""


def new_slots() -> dict[str, Slot]:
    return {"Cd": Slot(kinds=("CD", "DVD")), "Usb": Slot(kinds=("USBStick",))}


@dataclass(frozen=True, kw_only=True, slots=True)
class Booted:
    """What the machine did at its last start."""

    device: str
    mode: str
    secure_boot: bool
