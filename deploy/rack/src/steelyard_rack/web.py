"""HTTP as machines speak it: firmware that reads files, agents that call an API. A new connection each, as they do."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

CHUNK = 256 * 1024
CONNECT_S, READ_S = 20.0, 120.0
CALL_S = 60.0
# What iPXE shows (https://ipxe.org/err): not found, other refusals, no answer, a connection that broke.
_ERRNO = {404: "2d:0c:61:3b"}
_REFUSED, _SILENT, _BROKEN = "3e:11:61:3b", "4c:0a:60:35", "0f:0a:60:39"


class FetchFailed(Exception):
    """``errno``: what iPXE shows for it."""

    def __init__(self, text: str, errno: str = _SILENT) -> None:
        super().__init__(text)
        self.errno = errno


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Of a call to an API; ``status`` 0: none came."""

    status: int
    body: Any = None


def _any_certificate() -> ssl.SSLContext:
    """Sources of images show certificates of all kinds, and every image is checked by its sum."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Web:
    """One machine's. ``address``: a loopback address that it calls others on loopback from, as machines have addresses
    of their own. Belongs to one event loop."""

    _tls = _any_certificate()

    def __init__(self, address: str = "") -> None:
        self._address = address
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def read(self, url: str, take: Any = None, headers: dict[str, str] | None = None) -> int:
        """All bytes of a file, in pieces that are given to ``take`` and not kept. → how many. Raises FetchFailed."""
        count = 0
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S)
        try:
            async with self._to(url).get(url, timeout=timeout, headers=headers) as answer:
                if answer.status >= 400:
                    raise FetchFailed(
                        f"the server answered with status {answer.status}", _ERRNO.get(answer.status, _REFUSED)
                    )
                async for chunk in answer.content.iter_chunked(CHUNK):
                    count += len(chunk)
                    if take is not None:
                        take(chunk)
        except TimeoutError as error:
            raise FetchFailed("no answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchFailed(f"the connection failed: {type(error).__name__}", _BROKEN) from error
        return count

    async def text(self, url: str) -> str:
        """A small file. Raises FetchFailed."""
        chunks: list[bytes] = []
        await self.read(url, chunks.append)
        return b"".join(chunks).decode(errors="replace")

    async def call(self, method: str, url: str, body: Any = None, version: str = "") -> Answer:
        """JSON to an API; every failure to reach it is status 0."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if version:
            headers["X-OpenStack-Ironic-API-Version"] = version
        data = orjson.dumps(body) if body is not None else None
        timeout = aiohttp.ClientTimeout(total=CALL_S)
        try:
            async with self._to(url).request(method, url, data=data, headers=headers, timeout=timeout) as answer:
                raw = await answer.read()
                return Answer(status=answer.status, body=_json(raw))
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
            return Answer(status=0)

    def _to(self, url: str) -> aiohttp.ClientSession:
        is_near = bool(self._address) and _is_loopback(urlsplit(url).hostname)
        if is_near not in self._sessions:
            source = (self._address, 0) if is_near else None
            connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=self._tls, local_addr=source)
            self._sessions[is_near] = aiohttp.ClientSession(connector=connector, loop=asyncio.get_running_loop())
        return self._sessions[is_near]


def _is_loopback(host: str | None) -> bool:
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return address.version == 4 and address.is_loopback


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        return None
