"""The port of a Redfish BMC: opened, closed and opened again with or without TLS while the rack runs."""

import asyncio
import asyncio.sslproto
import contextlib
import socket
import ssl

from aiohttp import web

from .door import RedfishDoor

# asyncio reserves (and touches) 256 KiB for every TLS connection; a thousand idle sessions would need 256 MB.
# A request to a BMC is far shorter than this.
asyncio.sslproto.SSLProtocol.max_size = 16 * 1024

_IDLE_S = 300.0


class RedfishListener:
    """One listening socket with its connections."""

    def __init__(self, door: RedfishDoor, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self._server = web.Server(door.answer, handler_cancellation=True, access_log=None, keepalive_timeout=_IDLE_S)
        self._socket: asyncio.Server | None = None

    @property
    def is_open(self) -> bool:
        """Are connections accepted?"""
        return self._socket is not None

    async def open(self, context: ssl.SSLContext | None) -> None:
        """Listen. Port 0 is chosen at the first time and kept after that. Raises OSError."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self.address, self.port))
        except OSError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._socket = await loop.create_server(self._server, sock=listening, ssl=context, backlog=64)

    async def close(self) -> None:
        """Stop listening and break off all connections."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for connection in list(self._server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def shut_down(self) -> None:
        """Close for good."""
        await self.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await self._server.shutdown(0)
