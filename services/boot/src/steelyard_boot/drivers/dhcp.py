"""Ways to drive a DHCP server. None of them answers DHCP itself."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from steelyard_common.combining import Combiner
from steelyard_common.errors import SteelyardError, Unavailable
from steelyard_common.telemetry import get_logger

from ..domain import dnsmasq_files, kea_files
from ..domain.dhcp import Host, SiteRules

log = get_logger(__name__)
ANSWER_S = 10.0
MODE = 0o644  # the server runs as somebody else


# All nodes that boot over the network: asked for only where one file holds them all.
Everyone = Callable[[], Sequence[Host]]


class DhcpServer(Protocol):
    """What a DHCP server is told. Every call may be repeated. Errors: Unavailable when it cannot be told."""

    def write_site(self, rules: SiteRules) -> None: ...
    def write_all(self, hosts: Sequence[Host]) -> None: ...
    def write(self, host: Host, everyone: Everyone) -> None: ...
    def remove(self, node_uuid: str, everyone: Everyone) -> None: ...


class NoDhcp:
    """The site has its own: docs/howto/dhcp.md says what it must answer."""

    def write_site(self, rules: SiteRules) -> None: ...
    def write_all(self, hosts: Sequence[Host]) -> None: ...
    def write(self, host: Host, everyone: Everyone) -> None: ...
    def remove(self, node_uuid: str, everyone: Everyone) -> None: ...


class Dnsmasq:
    """``folder``: gets steelyard.conf, hosts/ and tagged/. ``pid_file``: of dnsmasq, which is told by SIGHUP.

    ``restarts``: somebody starts dnsmasq again when it ends; it is ended (SIGTERM) when what it reads only at its start
    has changed: the site's rules, and nodes whose boot interface is not ``ipxe``. Else the log says that it must be.
    """

    def __init__(self, folder: Path, pid_file: Path | None = None, *, restarts: bool = False) -> None:
        self._folder, self._pid_file, self._restarts = folder, pid_file, restarts

    def write_site(self, rules: SiteRules) -> None:
        hosts, tagged = self._folder / "hosts", self._folder / "tagged"
        with _writing(self._folder):
            for folder in (hosts, tagged):
                folder.mkdir(parents=True, exist_ok=True)
            if _write(self._folder / "steelyard.conf", dnsmasq_files.site(rules, str(hosts), str(tagged))):
                self._restart()

    def write_all(self, hosts: Sequence[Host]) -> None:
        listed = marked = False
        for host in hosts:
            is_listed, is_marked = self._put(host)
            listed, marked = listed or is_listed, marked or is_marked
        self._tell(listed=listed, marked=marked)

    def write(self, host: Host, everyone: Everyone) -> None:  # noqa: ARG002
        listed, marked = self._put(host)
        self._tell(listed=listed, marked=marked)

    def _put(self, host: Host) -> tuple[bool, bool]:
        """→ whether its line changed, whether its tags did."""
        plain, tagged = self._places(host.node_uuid)
        is_plain = dnsmasq_files.is_plain(host)
        with _writing(self._folder):
            listed = _write(plain, dnsmasq_files.host(host)) if is_plain else _remove(plain)
            marked = _remove(tagged) if is_plain else _write(tagged, dnsmasq_files.tagged(host))
        return listed, marked

    def remove(self, node_uuid: str, everyone: Everyone) -> None:  # noqa: ARG002
        plain, tagged = self._places(node_uuid)
        with _writing(self._folder):
            self._tell(listed=_remove(plain), marked=_remove(tagged))

    def _places(self, node_uuid: str) -> tuple[Path, Path]:
        return self._folder / "hosts" / node_uuid, self._folder / "tagged" / f"{node_uuid}.conf"

    def _tell(self, *, listed: bool, marked: bool) -> None:
        if marked:
            self._restart()
        if listed and not (marked and self._restarts):
            self._signal(signal.SIGHUP)

    def _restart(self) -> None:
        if self._restarts:
            self._signal(signal.SIGTERM)
        else:
            log.warning("dnsmasq must be started again: what it reads at its start has changed")

    def _signal(self, number: signal.Signals) -> None:
        if self._pid_file is None:
            return
        try:
            os.kill(int(self._pid_file.read_text()), number)
        except (OSError, ValueError) as error:
            log.warning("dnsmasq was not told of a change", pid_file=str(self._pid_file), reason=str(error))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{folder} cannot be written: {error.strerror}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time, of all replicas that share the folder. Errors: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class KeaIsAway(Unavailable):
    """Kea does not answer."""


@contextmanager
def _may_start_later() -> Iterator[None]:
    """Whoever starts boot and Kea together need not know which is first."""
    try:
        yield
    except KeaIsAway as error:
        log.warning("Kea was not told to read its files again", reason=error.message)


class Kea:
    """``folder``: gets steelyard-classes.json and steelyard-reservations.json. ``control``: where Kea takes commands.

    ``control``: ``unix:<path>`` of kea-dhcp4, or the URL of a control agent; empty: nobody is told to read again.
    What Kea could not be told of is told with the next call. One file holds all nodes: calls that come together write
    it once, and who writes it (in any replica) reads first what all nodes boot, so that nobody's node is lost.
    """

    def __init__(self, folder: Path, control: str = "") -> None:
        self._folder, self._control = folder, control
        self._is_told = False  # nobody knows what changed while no replica ran
        self._writes: Combiner[Everyone] = Combiner(self._write_together)

    def write_site(self, rules: SiteRules) -> None:
        """Both files: Kea does not start without them, and reads them when it starts."""
        self._put("steelyard-classes.json", kea_files.classes(rules))
        if not (self._folder / "steelyard-reservations.json").exists():
            self._put("steelyard-reservations.json", [])
        with _may_start_later():
            self._tell_changes()

    def write_all(self, hosts: Sequence[Host]) -> None:
        with _may_start_later():
            self._writes.submit(lambda: hosts)

    def write(self, host: Host, everyone: Everyone) -> None:  # noqa: ARG002
        self._writes.submit(everyone)

    def remove(self, node_uuid: str, everyone: Everyone) -> None:  # noqa: ARG002
        self._writes.submit(everyone)

    def _write_together(self, asked: list[Everyone]) -> list[SteelyardError | None]:
        with _writing(self._folder), _locked(self._folder):
            self._put("steelyard-reservations.json", kea_files.reservations(asked[-1]()))
        self._tell_changes()
        return [None] * len(asked)

    def _put(self, name: str, content: list[dict[str, Any]]) -> None:
        with _writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            if _write(self._folder / name, json.dumps(content, indent=1) + "\n"):
                self._is_told = False

    def _tell_changes(self) -> None:
        if self._control and not self._is_told:
            self._is_told = True  # before: what changes while Kea reads is told again
            try:
                self._tell({"command": "config-reload", "service": ["dhcp4"]})
            except Unavailable:
                self._is_told = False
                raise

    def _tell(self, command: dict[str, Any]) -> None:
        """Errors: Unavailable when Kea does not answer, or answers no."""
        try:
            answer = json.loads(self._say(command))
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise KeaIsAway(f"Kea at {self._control} was not told of a change: {error}") from error
        first = answer[0] if isinstance(answer, list) and answer else answer
        if not isinstance(first, dict) or first.get("result") != 0:
            text = first.get("text") if isinstance(first, dict) else None
            raise Unavailable(f"Kea at {self._control} refuses: {text or 'it gives no reason'}")

    def _say(self, command: dict[str, Any]) -> bytes:
        parts = urlsplit(self._control)
        if parts.scheme == "unix":
            return _over_socket(parts.path, json.dumps({"command": command["command"]}).encode())
        request = urllib.request.Request(  # noqa: S310  the operator's own address
            self._control, json.dumps(command).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            return bytes(answer.read())


def _over_socket(path: str, body: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(ANSWER_S)
        line.connect(path)
        line.sendall(body)
        line.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := line.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


def _write(place: Path, text: str) -> bool:
    """As a whole, if it is not so already. → whether it changed. Errors: OSError."""
    try:
        if place.read_text() == text:
            return False
    except FileNotFoundError:
        pass
    # Beside it, and hidden: a server that reads the folder must not read a half one.
    draft = place.with_name(f".{place.name}.new")
    draft.write_text(text)
    draft.chmod(MODE)
    draft.rename(place)
    return True


def _remove(place: Path) -> bool:
    try:
        place.unlink()
    except FileNotFoundError:
        return False
    return True
