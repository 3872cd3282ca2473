"""iPXE scripts. Pure.

The language has no quotes: a line is cut at blanks, ``${…}`` is replaced, ``||`` and ``&&`` part commands (iPXE's
core/exec.c). ``boot_model`` lets nothing in that would matter there. Addresses are given relative to where the script
came from whenever they can be: one script then serves IPv4, IPv6 and any name of ours.
"""

from __future__ import annotations

from .boot_model import BootModel, Kind, Place
from .kernel_arguments import command_line

TRIES = 10  # with growing sleep: 1 + 2 + … + 10 s
FIRST_DRIVE = 0x80
WAIT_S = 180


def script(model: BootModel, place: Place, trouble: str) -> str:
    """For one node. ``trouble``: where it says what failed (an address that takes ``&at=…&errno=…`` behind it)."""
    makers = {Kind.KERNEL: _kernel, Kind.ISO: _iso, Kind.DRIVES: _drives, Kind.DISK: lambda *_: _disk()}
    body = makers[model.kind](model, place)
    head = ["#!ipxe", f"# {model.purpose.value}, boot {model.boot_id}", "set attempt:int32 0", "set at script"]
    ending = [] if model.kind is Kind.DISK else _again(trouble)
    return "\n".join([*head, ":begin", *body, *ending]) + "\n"


def nothing_to_do() -> str:
    """For a machine that somebody knows and nobody wants anything of."""
    return "\n".join(["#!ipxe", "# nothing to do here: the node's own disk", *_disk()]) + "\n"


def _kernel(model: BootModel, place: Place) -> list[str]:
    kernel, ramdisk = model.kernel, model.ramdisk
    if kernel is None:
        raise ValueError("a model of this kind has a kernel")
    initrd = ["initrd=ramdisk"] if ramdisk else []
    nic = ["BOOTIF=${mac}"] if model.names_nic else []
    words = ["kernel", "--name", "kernel", place(kernel), *initrd, command_line(model.arguments), *nic]
    lines = ["imgfree", "set at kernel", f"{' '.join(word for word in words if word)} || goto again"]
    if ramdisk:
        lines += ["set at ramdisk", f"initrd --name ramdisk {place(ramdisk)} || goto again"]
    return [*lines, "set at boot", "boot || goto again"]


def _iso(model: BootModel, place: Place) -> list[str]:
    if model.iso is None:
        raise ValueError("a model of this kind has an ISO")
    return ["set at iso", f"sanboot --no-describe {place(model.iso)} || goto again"]


def _drives(model: BootModel, _place: Place) -> list[str]:
    lines = [*_storage_nics(model.storage_macs), "set at volume"]
    if model.chap:
        lines += [f"set username {model.chap.username}", f"set password {model.chap.password}"]
    if model.initiator:
        lines.append(f"set initiator-iqn {model.initiator}")
    for number, drive in enumerate(model.drives, FIRST_DRIVE):
        lines.append(f"sanhook --drive 0x{number:02x} {' '.join(drive.urls)} || goto again")
    return [*lines, "set at boot", f"sanboot --no-describe --drive 0x{FIRST_DRIVE:02x} || goto again"]


def _storage_nics(macs: tuple[str, ...]) -> list[str]:
    """Bring those up that lead to the volumes; none of them gets the default route."""
    lines: list[str] = []
    for number, mac in enumerate(macs):
        lines += [
            f"set at nic-{mac.replace(':', '-')}",
            "set nic:int32 0",
            f":look{number}",
            "isset ${net${nic}/mac} || goto again",
            f"iseq ${{net${{nic}}/mac}} {mac} && goto found{number} ||",
            "inc nic",
            f"goto look{number}",
            f":found{number}",
            "dhcp net${nic} || goto again",
            "clear net${nic}/gateway",
        ]
    return lines


def _disk() -> list[str]:
    """The node's own disk: UEFI firmware goes on with its boot order, a BIOS has none to go on with."""
    return [
        "iseq ${platform} efi && exit ||",
        f"sanboot --no-describe --drive 0x{FIRST_DRIVE:02x} || exit",
    ]


def _again(trouble: str) -> list[str]:
    return [
        ":again",
        "set failed ${errno:hexhyp}",  # a colon would make iPXE take what stands before it for a scheme
        f"imgfetch --name trouble {trouble}&at=${{at}}&errno=${{failed}} && imgfree trouble ||",
        "inc attempt",
        f"iseq ${{attempt}} {TRIES} && goto given-up ||",
        "echo Trying again in ${attempt} s (failed at ${at})",
        "sleep ${attempt}",
        "goto begin",
        ":given-up",
        f"echo Gave up at ${{at}} after {TRIES} tries. The node's boots in the API name the reason.",
        "echo This machine restarts in 30 s.",
        "sleep 30",
        "reboot",
    ]


def entry() -> str:
    """What every iPXE is sent to first, the same for all: asks by system UUID, then by the MAC of each NIC."""
    return "\n".join([
        "#!ipxe",
        "# The entry: finds the configuration of the machine that runs it.",
        "set tries:int32 0",
        ":retry",
        # One request names what most machines are known by, so a NIC more costs nothing.
        "chain --autofree --replace ipxe?uuid=${uuid}&mac=${mac:hexhyp} ||",
        "set nic:int32 0",
        ":nic",
        "isset ${net${nic}/mac} || goto none",
        "iseq ${net${nic}/mac} ${mac} && goto next ||",
        "chain --autofree --replace ipxe?mac=${net${nic}/mac:hexhyp} ||",
        ":next",
        "inc nic",
        "goto nic",
        ":none",
        "inc tries",
        f"iseq ${{tries}} {TRIES} && goto nobody ||",
        "echo No configuration yet for this machine; asking again in ${tries} s",
        "sleep ${tries}",
        "goto retry",
        ":nobody",
        "echo No boot configuration is kept for this machine.",
        "echo   system UUID ${uuid}",
        "echo   MAC address ${mac}",
        "echo Enrol it (a port with this MAC address, or the system UUID in its properties), and give it something",
        "echo to do: a machine that is not being inspected, cleaned, deployed or rescued boots from its own disk.",
        f"echo It restarts in {WAIT_S} s.",
        f"sleep {WAIT_S}",
        "reboot",
    ]) + "\n"  # fmt: skip
