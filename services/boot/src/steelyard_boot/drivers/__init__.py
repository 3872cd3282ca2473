"""Ways out: where artifacts lie, and where they come from. The promises stand here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from ..domain.artifacts import Proxies


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An artifact that was opened. ``file`` is the caller's to close; ``changed_at``: seconds since 1970."""

    file: BinaryIO
    size: int
    changed_at: float


class Storage(Protocol):
    """Where artifacts lie, each whole and under its key. Every replica of boot sees the same. Raises OSError."""

    def bring(self, draft: Path, key: str) -> None:
        """What takes long of placing it; nobody sees it yet. May be repeated, and may be all that is done."""
        ...

    def place(self, draft: Path, key: str) -> None:
        """The draft becomes the artifact, at once and as a whole; it outlives a power cut. The draft is gone."""
        ...

    def open(self, key: str) -> Stored | None:
        """To be read from the beginning; None when there is none."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes; None when there is none."""
        ...

    def remove(self, key: str) -> None:
        """Whoever reads it reads on; one that is not there is no error."""
        ...

    def all(self) -> Iterator[tuple[str, float]]:
        """The keys of all that lie there, and since when (seconds since 1970)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Validator:
    """How a server knows one state of a file from another."""

    etag: str | None = None
    last_modified: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a source is asked for. ``authorization``: opened. ``is_tenants``: it must not lead inside; ``is_owners``:
    not to our own machine.

    ``is_pinned``: a checksum tells whether it is what was meant. ``until``: on time.monotonic(). ``watch`` is given
    what ends the transfer when it is called.
    """

    url: str = field(repr=False)
    until: float
    is_tenants: bool = False
    is_owners: bool = False
    is_pinned: bool = False
    authorization: str | None = field(default=None, repr=False)
    proxies: Proxies | None = None
    watch: Callable[[Callable[[], None]], None] = lambda _cut: None


@dataclass(frozen=True, kw_only=True)
class Opened:
    """``data`` begins at ``offset``. ``is_unchanged``: it is what the validator told, and there is no data.

    ``sha256``: what the source says that it is, to be held against what comes.
    """

    offset: int
    total: int | None
    validator: Validator
    data: Iterator[bytes]
    is_unchanged: bool = False
    content_type: str = ""
    sha256: str | None = None


class Source(Protocol):
    """Where artifacts come from. Raises only ``steelyard_common.errors``; a retryable one may pass by itself."""

    def open(self, wanted: Wanted, offset: int, known: Validator) -> AbstractContextManager[Opened]:
        """Read on at ``offset`` if what lies there is still what ``known`` tells, else from the beginning.

        With an offset of 0 and something known: nothing if it is unchanged.
        """
        ...
