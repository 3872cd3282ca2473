"""Which machines a rack has: names, addresses, credentials. The same name and size give the same rack again."""

import hashlib
import ipaddress
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from .hardware import Identity, Timings

REDFISH = "redfish"
IPMI = "ipmi"
PROTOCOLS = ("mixed", REDFISH, IPMI, "both")
TLS_MODES = ("self-signed", "ca", "none")
INITIAL_POWERS = ("off", "on", "mixed")
_MAX_MACHINES = 10_000


class BadPlan(ValueError):
    """A rack like this cannot be built."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The rack that is wanted. Port 0 lets the system choose; else all share a port on their own addresses.

    ``boot_url``: where machines that boot over the network find their first script, ``pace``: how long all takes that
    they do by themselves, as a share of what it takes real ones (0.001 to 10).
    """

    machines: int = 12
    name: str = "rack"
    protocols: str = "mixed"
    base_address: str = ""
    redfish_port: int = 8443
    ipmi_port: int = 6230
    systems_per_bmc: int = 1
    path_prefix: str = ""
    tls: str = "self-signed"
    username: str = "admin"
    password: str = ""
    initial_power: str = "off"
    timings: Timings = field(default_factory=Timings)
    data_dir: str = ""
    boot_url: str = ""
    pace: float = 1.0

    def __post_init__(self) -> None:
        """Raises BadPlan."""
        if not 1 <= self.machines <= _MAX_MACHINES:
            raise BadPlan(f"a rack has 1 to {_MAX_MACHINES} machines")
        if self.protocols not in PROTOCOLS or self.tls not in TLS_MODES or self.initial_power not in INITIAL_POWERS:
            raise BadPlan("unknown choice of protocols, TLS or initial power")
        if self.systems_per_bmc < 1 or (self.systems_per_bmc > 1 and self.protocols != REDFISH):
            raise BadPlan("several systems behind one BMC need protocols=redfish")
        if self.boot_url and not self.boot_url.startswith(("http://", "https://")):
            raise BadPlan("the first script comes by http or https")
        if not 0.001 <= self.pace <= 10:
            raise BadPlan("a pace lies between 0.001 and 10")
        if self.path_prefix and not self.path_prefix.startswith("/"):
            raise BadPlan("a path prefix begins with /")
        if len(self.username) > 16 or len(self.password) > 20:
            raise BadPlan("IPMI allows 16 characters of name and 20 of password")
        if not ipaddress.ip_address(self.first_address).is_loopback:
            raise BadPlan("a rack lives on loopback addresses only")

    @property
    def first_address(self) -> str:
        """As given, else drawn from the rack's name, so that racks of different names rarely meet."""
        digest = hashlib.sha256(self.name.encode()).digest()
        return self.base_address or f"127.{16 + digest[0] % 224}.{digest[1] % 64}.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One machine of the plan: who it is, where its BMCs listen and what they accept."""

    identity: Identity
    protocols: tuple[str, ...]
    address: str
    system_id: str
    is_first_behind_bmc: bool
    username: str
    password: str = field(repr=False)


def places(plan: Plan) -> Iterator[Place]:
    """All machines of the plan, in order."""
    first = int(ipaddress.ip_address(plan.first_address))
    width = max(4, len(str(plan.machines)))
    for index in range(plan.machines):
        slot, inside = divmod(index, plan.systems_per_bmc)
        yield Place(
            identity=_identity(plan.name, index, width),
            protocols=_protocols(plan.protocols, index),
            address=str(ipaddress.ip_address(first + slot)),
            system_id=str(inside + 1),
            is_first_behind_bmc=inside == 0,
            username=plan.username,
            password=plan.password or _password(plan.name, slot),
        )


def _protocols(choice: str, index: int) -> tuple[str, ...]:
    if choice == "both":
        return (REDFISH, IPMI)
    if choice == "mixed":
        return (REDFISH,) if index % 2 == 0 else (IPMI,)
    return (choice,)


def _identity(rack: str, index: int, width: int) -> Identity:
    name = f"{rack}-{index + 1:0{width}d}"
    dice = random.Random(name)  # noqa: S311  # the same machine on every start, not a secret
    mac = f"02:{dice.randrange(256):02x}:{dice.randrange(256):02x}"
    macs = tuple(f"{mac}:{index >> 8:02x}:{index & 255:02x}:{port:02x}" for port in (0, 1))
    return Identity(
        name=name,
        uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.rack.steelyard")),
        serial=f"SY{dice.randrange(16**8):08X}",
        macs=macs,
        seed=dice.randrange(2**32),
    )


def _password(rack: str, slot: int) -> str:
    return hashlib.sha256(f"{rack}/{slot}".encode()).hexdigest()[:16]
