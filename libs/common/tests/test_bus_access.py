"""The door of the bus: passwords and certificates on both sides, and the files that hold them."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest
from steelyard_common.bus import Access, connect
from steelyard_common.contracts import permissions
from steelyard_common.embedded import EmbeddedNats, NatsFolder
from steelyard_common.errors import InvalidRequest
from steelyard_common.testing import eventually
from steelyard_common.testing.guarded import GuardedNats, refusal

SITE = GuardedNats.site


def test_a_wrong_password_is_said(guarded: GuardedNats, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")

    access = guarded.access("power", password_file=str(wrong))

    eventually(lambda: "does not take this user and password" in refusal(access))


def test_a_certificate_of_another_authority_is_not_trusted(guarded: GuardedNats, tmp_path: Path) -> None:
    other = NatsFolder(tmp_path / "other", SITE)
    other.prepare()
    access = guarded.access("power", ca_file=str(other.ca_file))

    eventually(lambda: "certificate of NATS is not trusted" in refusal(access))


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    elsewhere = NatsFolder(tmp_path / "bus", SITE, hosts=["bus.example"])
    server = EmbeddedNats(tmp_path / "nats", users=elsewhere, durable=False)
    server.start()
    access = Access(
        url=elsewhere.url("power", server.port),
        ca_file=str(elsewhere.ca_file),
        password_file=str(elsewhere.password_file("power")),
    )
    try:
        eventually(lambda: "certificate of NATS is not trusted" in refusal(access))
    finally:
        server.stop()


def test_without_tls_nobody_gets_in(guarded: GuardedNats) -> None:
    async def plain() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", guarded.server.port)
        await reader.readline()
        word = {"user": "power", "pass": guarded.folder.password("power"), "verbose": True}
        writer.write(b"CONNECT %b\r\nPING\r\n" % json.dumps(word).encode())
        answer = await reader.read(200)
        writer.close()
        return answer

    assert b"PONG" not in asyncio.run(plain())


def test_a_server_without_tls_never_sees_the_password(guarded: GuardedNats) -> None:
    """Somebody in between could say that no TLS is needed."""
    seen = b""

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        writer.write(b'INFO {"version":"2.12.0","auth_required":true,"max_payload":1048576,"headers":true}\r\n')
        seen += await reader.read(1000)
        writer.close()

    async def serve() -> None:
        pretender = await asyncio.start_server(pretend, "127.0.0.1", 0)
        port = pretender.sockets[0].getsockname()[1]
        access = guarded.access("power", url=guarded.folder.url("power", port))
        await asyncio.to_thread(eventually, lambda: "offers no TLS" in refusal(access))
        pretender.close()

    asyncio.run(serve())
    assert guarded.folder.password("power").encode() not in seen


def test_secrets_are_for_their_owner_only(guarded: GuardedNats) -> None:
    guarded.folder.write_contexts(guarded.server.port, [permissions.INTEGRATION])
    public = {"ca.pem", "server.pem"}

    modes = {
        file.name: stat.S_IMODE(file.stat().st_mode)
        for file in guarded.folder.root.iterdir()
        if file.name not in public
    }

    assert set(modes.values()) == {0o600}
    assert {"ca.key", "server.key", "power.password", "integration.json"} <= set(modes)


def test_passwords_and_authority_are_kept_over_a_restart(tmp_path: Path) -> None:
    first, again = NatsFolder(tmp_path, SITE), NatsFolder(tmp_path, SITE)
    first.prepare()
    before = (first.password("power"), first.ca_file.read_bytes())

    again.prepare()

    assert (again.password("power"), again.ca_file.read_bytes()) == before


def test_a_configuration_that_leaves_the_folder_holds_no_password(guarded: GuardedNats) -> None:
    text = json.dumps(guarded.folder.server_config(hashed=True))

    assert "$2b$" in text
    assert all(guarded.folder.password(user) not in text for user in guarded.folder.table)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"ca_file": "/nowhere"}, "STEELYARD_NATS_CA_FILE cannot be used"),
        ({"password_file": "/nowhere"}, "STEELYARD_NATS_PASSWORD_FILE cannot be read"),
        ({"cert_file": "/nowhere"}, "STEELYARD_NATS_CERT_FILE or STEELYARD_NATS_KEY_FILE"),
        ({"url": "tls://127.0.0.1"}, "names no user"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(guarded: GuardedNats, files: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        connect(guarded.access("power", **files), SITE, "power")
