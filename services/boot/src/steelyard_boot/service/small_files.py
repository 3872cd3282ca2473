"""Small files that are read at once and kept nowhere: kickstart templates, config drives. Judged like artifacts."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from steelyard_common.errors import InvalidRequest

from ..domain import artifacts as rules
from ..domain import checksums
from ..domain.artifacts import Wish, amount, shown
from ..drivers import Source, Validator, Wanted

WITHIN_S = 30.0


class SmallFiles:
    """``sources``: by the scheme of a URL."""

    def __init__(self, sources: Mapping[str, Source], *, allow_md5: bool = False) -> None:
        self._sources, self._allow_md5 = sources, allow_md5

    def read(self, wish: Wish, most: int) -> bytes:
        """At most ``most`` bytes. Errors: InvalidRequest, Forbidden, NotFound, DeviceUnreachable."""
        rules.check(wish, allow_md5=self._allow_md5)
        source = self._sources.get(urlsplit(wish.url).scheme)
        if source is None or checksums.is_url(wish.checksum or ""):
            raise InvalidRequest(
                f"{shown(wish.url)}: a small file comes from http, https or file, with a plain checksum"
            )
        wanted = Wanted(
            url=wish.url, until=time.monotonic() + WITHIN_S, is_tenants=wish.project is not None,
            is_owners=wish.is_owners, proxies=wish.proxies,
        )  # fmt: skip
        found = bytearray()
        with source.open(wanted, 0, Validator()) as opened:
            for data in opened.data:
                found += data
                if len(found) > most:
                    raise InvalidRequest(f"{shown(wish.url)} has more than {amount(most)}")
                if time.monotonic() > wanted.until:
                    raise InvalidRequest(f"{shown(wish.url)} did not come within {WITHIN_S:.0f} s")
        self._check(wish, bytes(found))
        return bytes(found)

    def _check(self, wish: Wish, content: bytes) -> None:
        if not wish.checksum:
            return
        expected = checksums.parse(wish.checksum, allow_md5=self._allow_md5)
        found = hashlib.new(expected.algorithm, content, usedforsecurity=expected.algorithm != "md5").hexdigest()
        if not hmac.compare_digest(found, expected.value):
            raise InvalidRequest(f"{shown(wish.url)} has the {expected.algorithm} {found}, not the one that was told")
