"""Takes artifacts from directories that the operator allows: file:///srv/images/node.img."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from steelyard_common.errors import Forbidden, InvalidRequest, NotFound

from . import Opened, Validator, Wanted

CHUNK = 1024 * 1024


class Files:
    """A ``Source``. Symbolic links are followed first and judged then."""

    def __init__(self, allowed: Sequence[Path]) -> None:
        self._allowed = allowed

    @contextmanager
    def open(self, wanted: Wanted, offset: int, known: Validator) -> Iterator[Opened]:
        with self._open(wanted) as file:
            about = Path(f"/proc/self/fd/{file.fileno()}").stat()
            validator = Validator(etag=f"{about.st_ino}-{about.st_size}-{about.st_mtime_ns}")
            if known == validator and offset == 0:
                yield Opened(offset=0, total=None, validator=known, data=iter(()), is_unchanged=True)
                return
            begins = offset if known == validator else 0
            file.seek(begins)
            yield Opened(
                offset=begins, total=about.st_size, validator=validator, data=iter(lambda: file.read(CHUNK), b"")
            )

    def _open(self, wanted: Wanted) -> BinaryIO:
        """Errors: InvalidRequest, Forbidden, NotFound."""
        name = unquote(urlsplit(wanted.url).path)
        if "\0" in name or not name.startswith("/"):
            raise InvalidRequest("a file:// URL has three slashes: file:///srv/images/node.img")
        try:
            real = Path(name).resolve(strict=True)
            if not any(real.is_relative_to(each.resolve()) for each in self._allowed):
                raise Forbidden(self._refusal(name))
            if not real.is_file():
                raise InvalidRequest(f"{name} is no file")
            return real.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            if not any(Path(name).is_relative_to(each) for each in self._allowed):
                raise Forbidden(self._refusal(name)) from None  # whether it is there is nobody's business
            raise NotFound(f"{name} is not there, as boot sees it") from None
        except OSError as error:
            raise Forbidden(f"{name} cannot be read by boot: {error.strerror}") from error

    def _refusal(self, name: str) -> str:
        places = ", ".join(str(each) for each in self._allowed)
        told = f"only from {places}" if places else "from no directory"
        return f"{name}: files are taken {told}; who runs the service names directories in STEELYARD_ARTIFACTS_FILES"
