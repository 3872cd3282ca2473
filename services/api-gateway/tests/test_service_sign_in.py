"""Use cases: sign-in. Who is let in, who is not, and what a stranger may cost."""

from __future__ import annotations

import base64
import contextlib
import os
import threading
from pathlib import Path

import bcrypt
import pytest
from steelyard_api_gateway.service import identity
from steelyard_api_gateway.service.call import OPERATOR, Caller
from steelyard_api_gateway.service.identity import Credentials, HttpBasic, NoSignIn, read_htpasswd
from steelyard_api_gateway.settings import Settings
from steelyard_api_gateway.settings_sign_in import is_loopback
from steelyard_common.errors import InvalidRequest, Unauthenticated, Unavailable
from steelyard_common.settings import read
from steelyard_common.testing import eventually

FAST = 4  # bcrypt cost: the least


def basic(user: str, password: str) -> Credentials:
    return Credentials(authorization=basic_header(user, password))


def basic_header(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def htpasswd(path: Path, **users: str) -> Path:
    lines = []
    for user, password in users.items():
        hashed = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(FAST)).decode()
        lines.append(f"{user}:{hashed.replace('$2b$', '$2y$', 1)}")
    path.write_text("# users\n\n" + "\n".join(lines) + "\n")
    return path


def test_without_sign_in_everybody_is_the_operator_whatever_token_is_sent() -> None:
    assert NoSignIn().identify(Credentials(token="x")) == OPERATOR


def test_a_user_of_the_file_is_let_in_again_and_again(tmp_path: Path) -> None:
    door = HttpBasic(htpasswd(tmp_path / "users", ann="pässword"))

    assert [door.identify(basic("ann", "pässword")).user for _ in range(3)] == ["ann"] * 3


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Basic", "Basic !!!", "Bearer abc", basic_header("ann", "wrong"),
        basic_header("nobody", "right"),
        "Basic " + base64.b64encode(b"ann").decode(), "Basic " + base64.b64encode(b"\xff:x").decode(),
        basic_header("ann", ""), basic_header("", "right"), basic_header("ann", "right\x00"),
        basic_header("ann", "x" * 500), "Basic é",
    ],
)  # fmt: skip
def test_everything_else_is_not_let_in(tmp_path: Path, header: str | None) -> None:
    door = HttpBasic(htpasswd(tmp_path / "users", ann="right"))

    for _ in range(2):  # the second time from memory
        with pytest.raises(Unauthenticated):
            door.identify(Credentials(authorization=header))


def test_a_password_longer_than_bcrypt_reads_is_accepted(tmp_path: Path) -> None:
    door = HttpBasic(htpasswd(tmp_path / "users", ann="x" * 100))

    assert door.identify(basic("ann", "x" * 100)).user == "ann"


def test_a_changed_file_is_taken_over_at_once_and_memory_forgotten(tmp_path: Path) -> None:
    path = htpasswd(tmp_path / "users", ann="old")
    door = HttpBasic(path)
    door.identify(basic("ann", "old"))

    htpasswd(path, ann="new", bob="b")
    _touch(path)

    assert door.identify(basic("bob", "b")).user == "bob"
    assert door.identify(basic("ann", "new")).user == "ann"
    with pytest.raises(Unauthenticated):
        door.identify(basic("ann", "old"))


def test_a_file_that_breaks_or_goes_leaves_the_former_users(tmp_path: Path) -> None:
    path = htpasswd(tmp_path / "users", ann="a")
    door = HttpBasic(path)

    path.write_text("ann:plain-text\n")
    _touch(path)
    assert door.identify(basic("ann", "a")).user == "ann"
    path.unlink()
    assert door.identify(basic("ann", "a")).user == "ann"


def _touch(path: Path) -> None:
    """A modification time that differs from the last, whatever the file system's grain."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))


@pytest.mark.parametrize("text", ["", "# none\n", "ann\n", "ann:plain\n", "ann:$apr1$abc$def\n", ":$2y$04$x\n"])
def test_a_file_without_bcrypt_users_is_refused_and_no_hash_is_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users"
    path.write_text(text)

    with pytest.raises(InvalidRequest) as refused:
        read_htpasswd(path)
    assert "plain\n" not in refused.value.message
    assert "apr1" not in refused.value.message


def test_a_cut_hash_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("ann:$2y$04$cut\n")

    with pytest.raises(Unauthenticated):
        HttpBasic(path).identify(basic("ann", "x"))


@pytest.mark.parametrize(
    ("bind", "is_local"),
    [
        ("127.0.0.1:6385", True), ("127.9.9.9:0", True), ("[::1]:6385", True), ("localhost:1", True),
        ("0.0.0.0:6385", False), ("192.0.2.1:6385", False), ("[::]:1", False), ("host.example:1", False),
        (":80", False),
    ],
)  # fmt: skip
def test_only_loopback_is_served_without_sign_in(bind: str, is_local: bool) -> None:
    settings = read(Settings, {"STEELYARD_HTTP_BIND": bind})

    assert is_loopback(bind) is is_local
    if is_local:
        settings.check()
        return
    with pytest.raises(InvalidRequest, match="http_basic"):
        settings.check()


def test_sign_in_by_http_basic_needs_a_file() -> None:
    with pytest.raises(InvalidRequest, match="STEELYARD_HTPASSWD_FILE"):
        read(Settings, {"STEELYARD_AUTH": "http_basic"}).check()


class SlowDoor(HttpBasic):
    """Its strangers are checked only when the gate opens."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.checked = 0

    @property
    def is_line_full(self) -> bool:
        if self._line.acquire(blocking=False):
            self._line.release()
            return False
        return True

    def _verify(self, authorization: str, digest: bytes) -> Caller:
        self.checked += 1
        assert self.gate.wait(120)
        return super()._verify(authorization, digest)


def _knock(door: HttpBasic, *passwords: str) -> list[threading.Thread]:
    def knock(password: str) -> None:
        def is_answered() -> bool:
            with contextlib.suppress(Unavailable):  # the line was full for a moment, also by who looks at it
                with contextlib.suppress(Unauthenticated):
                    door.identify(basic("ann", password))
                return True
            return False

        eventually(is_answered)

    threads = [threading.Thread(target=knock, args=(password,)) for password in passwords]
    for thread in threads:
        thread.start()
    return threads


def test_a_flood_of_strangers_keeps_nobody_out_who_is_known(tmp_path: Path) -> None:
    door = SlowDoor(htpasswd(tmp_path / "users", ann="right"))
    door.gate.set()
    door.identify(basic("ann", "right"))
    door.gate.clear()

    flood = _knock(door, *(f"wrong {number}" for number in range(identity.IN_LINE)))
    eventually(lambda: door.is_line_full)

    with pytest.raises(Unavailable):
        door.identify(basic("ann", "one more"))
    assert door.identify(basic("ann", "right")).user == "ann"
    door.gate.set()
    for thread in flood:
        thread.join(120)


def test_one_password_that_comes_many_times_at_once_is_checked_once(tmp_path: Path) -> None:
    door = SlowDoor(htpasswd(tmp_path / "users", ann="right"))

    several = _knock(door, *["right"] * identity.IN_LINE)
    eventually(lambda: door.is_line_full)
    door.gate.set()
    for thread in several:
        thread.join(120)

    assert door.checked == 1
