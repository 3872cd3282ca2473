"""iPXE as far as boot scripts go: runs a script line by line and says what it led to.

Commands, and how a line is parted by ``||`` and ``&&`` and ended by an error, as in iPXE's core/exec.c and
image/script.c. Files are read to their last byte, as iPXE does; that they are read is all, nothing of them is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urljoin

from ..web import FetchFailed
from .expanding import Settings

MAGIC = "#!ipxe"
MOST_LINES = 100_000  # of all that one boot runs through: a script that never ends does, here
DISK_DRIVE = "0x80"


class Fetcher(Protocol):
    """Reads files by URL. Raises FetchFailed."""

    async def text(self, url: str) -> str: ...
    async def discard(self, url: str) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel was started. ``arguments`` as they stand on its command line."""

    arguments: str


@dataclass(frozen=True, kw_only=True)
class OwnDisk:
    """The script went on with the machine's own disk: by itself, or by leaving it to the firmware."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """``sanboot`` of something that is not the disk: an ISO by HTTP, an iSCSI volume."""

    url: str


@dataclass(frozen=True, kw_only=True)
class Reboot:
    """The script gave up."""


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A command failed and nobody caught it, or the script is none."""

    reason: str


Outcome = Kernel | OwnDisk | Image | Reboot | Broken
Sleep = Callable[[float], Awaitable[None]]


class Ipxe:
    """One start of iPXE. ``sleep``: how seconds of a script pass."""

    def __init__(self, settings: Settings, fetcher: Fetcher, sleep: Sleep = asyncio.sleep) -> None:
        self._settings, self._fetcher, self._sleep = settings, fetcher, sleep
        self._images: list[tuple[str, str]] = []
        self._drives: dict[str, str] = {}
        self._lines = 0
        self._outcome: Outcome | None = None
        self._base = ""
        self._line = 0
        self._labels: dict[str, int] = {}

    async def run(self, url: str) -> Outcome:
        """From the first script to what it leads to. Raises FetchFailed when there is no first script."""
        await self._script(url)
        return self._outcome or OwnDisk()

    async def _script(self, url: str) -> bool:
        """→ whether it ran to an end without an error. Raises FetchFailed."""
        text = await self._fetcher.text(url)
        lines = text.split("\n")
        if not lines or lines[0].strip() != MAGIC:
            self._outcome = Broken(reason=f"{url} is no iPXE script")
            return False
        before = (self._base, self._line, self._labels)
        self._base, self._line = url, 0
        self._labels = {line[1:].strip(): number for number, line in enumerate(lines) if line.startswith(":")}
        is_good = True
        while is_good and self._outcome is None and self._line < len(lines):
            line = lines[self._line].strip()
            self._line += 1
            self._lines += 1
            if self._lines > MOST_LINES:
                self._outcome = Broken(reason="the script does not end")
            elif line and line[0] not in "#:" and not await self._run_line(line):
                self._outcome = self._outcome or Broken(reason=f"'{line[:80]}' failed in {url}")
                is_good = False
        self._base, self._line, self._labels = before
        return is_good

    async def _run_line(self, line: str) -> bool:
        """→ whether it succeeded. Words are parted before they are looked at, replaced before they are parted."""
        is_good, process, command = True, "always", list[str]()
        for word in [*self._settings.expand(line).split(), "end"]:
            if word not in ("||", "&&", "end"):
                command.append(word)
                continue
            if process == "always" or (process == "&&") == is_good:
                is_good = await self._run(command)
            if self._outcome is not None:
                break
            process, command = word, []
        return is_good

    async def _run(self, command: list[str]) -> bool:
        if not command:
            return True
        deed = _COMMANDS.get(command[0])
        if deed is None:
            return False
        try:
            return await deed(self, _Words.of(command[1:]))
        except FetchFailed as error:
            self._settings.errno = error.errno
            return False

    # ---- commands: each → whether it succeeded

    async def _set(self, words: _Words) -> bool:
        name, *value = words.plain
        self._settings.own[name.partition(":")[0]] = " ".join(value)
        return True

    async def _clear(self, words: _Words) -> bool:
        self._settings.own.pop(words.plain[0], None)
        return True

    async def _inc(self, words: _Words) -> bool:
        name = words.plain[0]
        self._settings.own[name] = str(int(self._settings.own.get(name, "0") or 0) + 1)
        return True

    async def _isset(self, words: _Words) -> bool:
        return len(words.plain) == 1

    async def _iseq(self, words: _Words) -> bool:
        return len(words.plain) == 2 and words.plain[0] == words.plain[1]

    async def _goto(self, words: _Words) -> bool:
        if words.plain[0] not in self._labels:
            return False
        self._line = self._labels[words.plain[0]]
        return True

    async def _nothing(self, _words: _Words) -> bool:
        return True

    async def _pause(self, words: _Words) -> bool:
        await self._sleep(float(words.plain[0]))
        return True

    async def _exit(self, _words: _Words) -> bool:
        self._outcome = OwnDisk()
        return True

    async def _reboot(self, _words: _Words) -> bool:
        self._outcome = Reboot()
        return True

    async def _chain(self, words: _Words) -> bool:
        is_good = await self._script(self._url(words.plain[0]))
        if is_good and "--replace" in words.options:
            self._outcome = self._outcome or OwnDisk()
        return is_good

    async def _fetch(self, words: _Words) -> bool:
        """``kernel``, ``initrd``, ``imgfetch``: a file, and what stands behind it on the line."""
        await self._fetcher.discard(self._url(words.plain[0]))
        self._images.append((words.values.get("--name", ""), " ".join(words.plain[1:])))
        return True

    async def _free(self, words: _Words) -> bool:
        self._images = [each for each in self._images if words.plain and each[0] not in words.plain]
        return True

    async def _boot(self, _words: _Words) -> bool:
        kernel = next((arguments for name, arguments in self._images if name == "kernel"), None)
        if kernel is None:
            return False
        self._outcome = Kernel(arguments=kernel)
        return True

    async def _hook(self, words: _Words) -> bool:
        self._drives[words.values.get("--drive", DISK_DRIVE)] = words.plain[0]
        return True

    async def _sanboot(self, words: _Words) -> bool:
        drive = words.values.get("--drive")
        if words.plain:
            self._outcome = Image(url=self._url(words.plain[0]))
        elif drive in self._drives:
            self._outcome = Image(url=self._drives[drive])
        else:
            self._outcome = OwnDisk()
        return True

    def _url(self, given: str) -> str:
        return urljoin(self._base, given)


@dataclass(frozen=True, kw_only=True)
class _Words:
    """A command's: options, options with values, all others."""

    options: frozenset[str]
    values: dict[str, str]
    plain: list[str]

    @classmethod
    def of(cls, words: list[str]) -> _Words:
        """Options end at the first word that is none."""
        options, values = set[str](), dict[str, str]()
        rest = list(words)
        while rest and rest[0].startswith("--"):
            option = rest.pop(0)
            if option in _WITH_VALUE and rest:
                values[option] = rest.pop(0)
            else:
                options.add(option)
        return cls(options=frozenset(options), values=values, plain=rest)


_WITH_VALUE = ("--name", "--drive")
_COMMANDS: dict[str, Callable[[Ipxe, _Words], Awaitable[bool]]] = {
    "set": Ipxe._set,
    "clear": Ipxe._clear,
    "inc": Ipxe._inc,
    "isset": Ipxe._isset,
    "iseq": Ipxe._iseq,
    "goto": Ipxe._goto,
    "echo": Ipxe._nothing,
    "dhcp": Ipxe._nothing,
    "sleep": Ipxe._pause,
    "exit": Ipxe._exit,
    "reboot": Ipxe._reboot,
    "chain": Ipxe._chain,
    "kernel": Ipxe._fetch,
    "initrd": Ipxe._fetch,
    "imgfetch": Ipxe._fetch,
    "imgfree": Ipxe._free,
    "boot": Ipxe._boot,
    "sanhook": Ipxe._hook,
    "sanboot": Ipxe._sanboot,
}
