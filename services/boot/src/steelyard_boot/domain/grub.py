"""GRUB configurations, over TFTP and over HTTP. Pure.

Every value stands in single quotes, within which GRUB reads everything as it is (manual, "Quoting"); a single quote
cannot occur in a model.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from steelyard_common.errors import Unsupported

from .boot_model import BootModel, Kind, Place, kernel_for
from .naming import as_mac

PAUSES_S = (1, 2, 5, 10, 20, 30)  # between tries to load a kernel


def config(model: BootModel, place: Place) -> str:
    """For one node. Errors: Unsupported for an ISO or a volume."""
    if model.kind is Kind.DISK:
        return LOCAL
    kernel = kernel_for(model, "GRUB", "'ipxe' or 'http-ipxe'")
    # GRUB quotes for the kernel what has blanks, so each argument is given as one word.
    words = " ".join(quoted(argument) for argument in model.arguments)
    nic = ' "BOOTIF=${net_default_mac}"' if model.names_nic else ""
    loads = [f"linux {quoted(place(kernel))} {words}{nic}".rstrip()]
    if model.ramdisk:
        loads.append(f"initrd {quoted(place(model.ramdisk))}")
    return "\n".join([
        f"# {model.purpose.value}, boot {model.boot_id}",
        "set default=0",
        "set timeout=1",
        f"menuentry {quoted(model.purpose.value)} {{",
        # Its TFTP gives up when some packets are lost, and would wait for a key then.
        f"  for pause in {' '.join(map(str, PAUSES_S))}; do",
        *(f"    if {load}; then" for load in loads),
        "      boot",
        *("    fi" for _ in loads),
        '    echo "Not loaded; once more in ${pause} s."',
        "    sleep ${pause}",
        "  done",
        "  echo 'Kernel and ramdisk do not come: look at the boot attempts of this node. It restarts in 180 s.'",
        "  sleep 180",
        "  reboot",
        "}",
    ]) + "\n"  # fmt: skip


def quoted(text: str) -> str:
    if "'" in text:
        raise ValueError("a model has no quotes")
    return f"'{text}'"


def over_http(url: str) -> str:
    """``(http,host:port)/path`` of a URL. A path alone stays: it is below ``$root``, where GRUB itself came from.

    Ours are paths alone: GRUB leaves its port out of the header Host (Debian's 2.06), and versions differ in how a
    port is written. Errors: Unsupported for https, which GRUB does not speak.
    """
    if url.startswith("/"):
        return url
    parts = urlsplit(url)
    if parts.scheme != "http":
        raise Unsupported(f"GRUB fetches over http only, not {parts.scheme}: {url}")
    return f"(http,{parts.netloc}){parts.path}{'?' + parts.query if parts.query else ''}"


LOCAL = """\
# nothing to do here: the node's own disk
set default=0
set timeout=0
menuentry 'local disk' {
  if [ "${grub_platform}" = "efi" ]; then
    exit
  else
    set root=(hd0)
    chainloader +1
  fi
}
"""


def entry() -> str:
    """What GRUB reads when nothing by its MAC was found: asks once more, by MAC."""
    return "\n".join([
        "# The entry: finds the configuration of the machine that runs it. GRUB goes on behind a `source` that worked.",
        'if ! source "/grub.cfg-01-${net_default_mac}"; then',
        "  echo 'No boot configuration is kept for this machine.'",
        '  echo "  MAC address ${net_default_mac}"',
        "  echo 'Enrol it, and give it something to do. It restarts in 180 s.'",
        "  sleep 180",
        "  reboot",
        "fi",
    ]) + "\n"  # fmt: skip


def names(macs: tuple[str, ...]) -> tuple[str, ...]:
    """Files that GRUB looks for by itself (grub-core/normal/main.c), and what our entry sources."""
    known = [mac for mac in map(as_mac, macs) if mac]
    return tuple(f"grub.cfg-01-{mac.replace(':', '-')}" for mac in known) + tuple(f"grub.cfg-01-{mac}" for mac in known)
