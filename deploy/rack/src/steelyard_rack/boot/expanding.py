"""iPXE's settings and how ``${…}`` is replaced by them (https://ipxe.org/cfg)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_INNERMOST = re.compile(r"\$\{([^${}]*)\}")
_NIC = re.compile(r"net(\d+)/mac")
_HEX_WITH_HYPHENS = "hexhyp"


@dataclass(kw_only=True)
class Settings:
    """Those of one machine. ``own``: what scripts have set; ``errno``: of the command before, as ``aa:bb:cc:dd``."""

    uuid: str
    macs: tuple[str, ...]
    is_efi: bool
    own: dict[str, str] = field(default_factory=dict)
    errno: str = "00:00:00:00"

    def expand(self, line: str) -> str:
        """The innermost first, as names may be made of other settings. What is not set is replaced by nothing."""
        while match := _INNERMOST.search(line):
            line = line[: match.start()] + self.value(match[1]) + line[match.end() :]
        return line

    def value(self, name: str) -> str:
        """``name`` may have a type behind a colon."""
        name, _, kind = name.partition(":")
        value = self._plain(name)
        return value.replace(":", "-") if kind == _HEX_WITH_HYPHENS else value

    def _plain(self, name: str) -> str:
        if name in self.own:
            return self.own[name]
        nic = _NIC.fullmatch(name)
        if nic or name == "mac":
            number = int(nic[1]) if nic else 0
            return self.macs[number] if number < len(self.macs) else ""
        known = {"uuid": self.uuid, "platform": "efi" if self.is_efi else "pcbios", "errno": self.errno}
        return known.get(name, "")
