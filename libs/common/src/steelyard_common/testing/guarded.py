"""A nats-server that keeps the permissions table, and what its users meet there."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client

from ..bus import Access, NatsBus, connect
from ..embedded import EmbeddedNats, NatsFolder
from ..errors import Unavailable

Act = Callable[[Client], Awaitable[Any]]


class GuardedNats:
    """``site`` with all users of the table, and the step provider ``acme`` for the interface ``burn-in``."""

    site, provider = "here", "acme"

    def __init__(self, root: Path) -> None:
        self.folder = NatsFolder(root / "bus", self.site, step_providers={self.provider: ("burn-in",)})
        self.server = EmbeddedNats(root / "nats", users=self.folder, durable=False)
        self._buses: list[NatsBus] = []
        self.server.start()

    def stop(self) -> None:
        self.leave()
        self.server.stop()

    def access(self, user: str, **changed: Any) -> Access:
        """As ``Access.of`` makes it of a service's settings."""
        whole: dict[str, Any] = {
            "url": self.folder.url(user, self.server.port), "password_file": str(self.folder.password_file(user)),
            "ca_file": str(self.folder.ca_file), "makes_streams": user == "inventory",
        }  # fmt: skip
        return Access(**(whole | changed))

    def join(self, user: str) -> NatsBus:
        bus = connect(self.access(user), self.site, user, wait_s=10)
        self._buses.append(bus)
        return bus

    def leave(self) -> None:
        """All who have joined."""
        while self._buses:
            self._buses.pop().close()

    def refusals(self, user: str, act: Act) -> list[str]:
        """What the server says to a bare client that acts and has only the context file written for its user."""
        self.folder.write_contexts(self.server.port, [user])
        context = json.loads((self.folder.root / f"{user}.json").read_text())
        options = {name: context[name] for name in ("user", "password", "inbox_prefix")}
        options |= {"servers": [context["url"]], "tls": ssl.create_default_context(cafile=context["ca"])}
        return asyncio.run(_refusals(options, act))

    def publish(self, user: str, subject: str, reply: str = "") -> list[str]:
        """→ refusals"""
        return self.refusals(user, lambda client: client.publish(subject, b"{}", reply))

    def subscribe(self, user: str, subject: str) -> list[str]:
        """→ refusals"""
        return self.refusals(user, lambda client: client.subscribe(subject))


def refusal(access: Access | str, site: str = GuardedNats.site) -> str:
    """Why ``connect`` gives up; empty when it does not, as on a busy machine, where it may not know so soon."""
    try:
        connect(access, site, "power", wait_s=0.5).close()
    except Unavailable as error:
        return error.message
    return ""


async def _refusals(options: dict[str, Any], act: Act) -> list[str]:
    said: list[str] = []

    async def hear(error: Exception) -> None:
        if isinstance(error, nats.errors.Error):  # and no news of the connection's end
            said.append(str(error))

    client = await nats.connect(**options, error_cb=hear, allow_reconnect=False)
    await act(client)
    await client.flush()  # what was refused stands before the answer to this
    await client.flush()  # and is told by a task of its own, which has run by now
    await client.close()
    return said
