"""Names of hosts: a resolver that is slow, away, or lies still."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from steelyard_common.bmc.redfish.wire import WireAdapter
from steelyard_common.names import Names
from steelyard_common.testing import eventually

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 443))]


class Resolver:
    """What getaddrinfo does: ``answers`` one after the other; each waits for ``gate``."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked, self.gate = list(answers), 0, threading.Event()
        self.gate.set()

    def __call__(self, host: str, port: int, **_: Any) -> Any:
        self.asked += 1
        self.gate.wait(30)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Resolver]:
    def install(*answers: Any) -> Resolver:
        made = Resolver(*answers)
        monkeypatch.setattr(socket, "getaddrinfo", made)
        return made

    return install


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7", "fe80::1%lo"])
def test_an_address_is_no_question(host: str) -> None:
    assert Names().find(host, 443, 0.0)[0][4][0].startswith(host.partition("%")[0])


def test_a_resolver_that_hangs_is_left_at_the_deadline_and_its_answer_is_there_later(
    resolver: Callable[..., Resolver],
) -> None:
    slow, names = resolver(FOUND), Names(keep_s=60)
    slow.gate.clear()
    begun = time.monotonic()

    with pytest.raises(TimeoutError, match="bmc-1 was not found within"):
        names.find("bmc-1", 443, 0.1)

    assert time.monotonic() - begun < 20
    slow.gate.set()
    assert eventually(lambda: _found(names)) == FOUND
    assert slow.asked == 1


def _found(names: Names) -> Any:
    try:
        return names.find("bmc-1", 443, 0.0)
    except OSError:
        return None


def test_many_who_ask_the_same_ask_once(resolver: Callable[..., Resolver]) -> None:
    slow, names = resolver(FOUND), Names()
    slow.gate.clear()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(names.find("bmc-1", 443, 30))) for _ in range(5)]
    for thread in threads:
        thread.start()
    eventually(lambda: slow.asked == 1)
    slow.gate.set()
    for thread in threads:
        thread.join()
    assert found == [FOUND] * 5


def test_an_answer_is_kept_for_a_while_and_a_stranger_s_is_not(resolver: Callable[..., Resolver]) -> None:
    quick = resolver(FOUND)
    kept, anew = Names(keep_s=60), Names()
    for names, asked in ((kept, 1), (anew, 3)):
        quick.asked = 0
        for _ in range(3):
            assert names.find("bmc-1", 443, 30) == FOUND
        assert quick.asked == asked


def test_while_the_dns_is_away_an_old_answer_does(resolver: Callable[..., Resolver]) -> None:
    broken = resolver(FOUND, socket.gaierror(socket.EAI_AGAIN, "try again"))
    names = Names(keep_s=0.0, stale_s=60)
    assert names.find("bmc-1", 443, 30) == FOUND
    assert names.find("bmc-1", 443, 30) == FOUND
    assert broken.asked == 2
    with pytest.raises(socket.gaierror):
        names.find("bmc-2", 443, 30)
    with pytest.raises(socket.gaierror):
        Names().find("bmc-1", 443, 30)


def test_a_bmc_is_called_by_its_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        adapter = WireAdapter("http", "localhost", port, None)
        with requests.Session() as session:
            session.mount("http://", adapter)
            assert session.get(f"http://localhost:{port}/redfish/v1", timeout=30).text == "ok"
            with pytest.raises(requests.ConnectionError, match="no-such-bmc"):
                WireAdapter("http", "no-such-bmc.invalid", port, None).send(
                    requests.Request("GET", f"http://no-such-bmc.invalid:{port}/").prepare(), timeout=10
                )
        thread.join(30)
