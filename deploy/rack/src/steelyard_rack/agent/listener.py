"""The door of all agents of a rack: one port with one certificate; each agent is a path below it."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from typing import Any, Protocol

import orjson
from aiohttp import web
from aiohttp.web_request import BaseRequest
from steelyard_common.certificates import certificate_pem, key_pem, new_key, self_signed

from .desk import Reply, fault

ADDRESS = "127.0.0.1"
IDLE_S = 10.0  # as the real one


class Served(Protocol):
    """Who answers the calls to one agent."""

    async def serve(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply | None:
        """None: no answer at all, the connection breaks."""


class AgentListener:
    """``verify_ca``: the certificate, as an agent sends it with its heartbeats."""

    def __init__(self) -> None:
        self._agents: dict[str, Served] = {}
        self._server = web.Server(self._answer, handler_cancellation=True, access_log=None, keepalive_timeout=IDLE_S)
        self._socket: asyncio.Server | None = None
        self._url = ""
        key = new_key()
        self.verify_ca = certificate_pem(self_signed("agent", key, [ADDRESS])).decode()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # the ssl module reads chains from files only
            file.write(key_pem(key) + self.verify_ca.encode())
            file.flush()
            self._context.load_cert_chain(file.name)

    async def open(self) -> None:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        self._socket = await loop.create_server(self._server, ADDRESS, 0, ssl=self._context, backlog=1024)
        self._url = f"https://{ADDRESS}:{self._socket.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            await self._server.shutdown(0)

    def enter(self, name: str, agent: Served) -> str:
        """From now on calls to this name are the agent's. → its address"""
        self._agents[name] = agent
        return f"{self._url}/{name}"

    def leave(self, name: str, agent: Served) -> None:
        """Nobody answers there any more."""
        if self._agents.get(name) is agent:
            del self._agents[name]

    async def _answer(self, request: BaseRequest) -> web.StreamResponse:
        name, _, path = request.path.lstrip("/").partition("/")
        agent = self._agents.get(name)
        reply = None
        if agent is not None:
            raw = await request.read()
            try:
                body = orjson.loads(raw) if raw else None
            except orjson.JSONDecodeError:
                return _response(400, fault("The body is not JSON."))
            reply = await agent.serve(request.method, f"/{path}", dict(request.query), body)
        if reply is None:
            if request.transport is not None:
                request.transport.abort()  # as where nobody listens: no word
            return web.Response(status=500)
        return _response(*reply)


def _response(status: int, body: Any) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
