"""Requests that never end take no thread: what is complete, what is refused, and a worker with two threads."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from typing import BinaryIO

import pytest
from steelyard_common.http_worker import MAX_BODY, MAX_HEAD, Incoming

_SERVER = """
    import threading
    from gunicorn.app.base import BaseApplication
    from steelyard_common.http import WAITED_S

    freed = threading.Event()

    class Echo(BaseApplication):
        def load_config(self):
            self.cfg.set("bind", "127.0.0.1:0")
            self.cfg.set("worker_class", "steelyard_common.http_worker.Worker")
            self.cfg.set("threads", 2)
            self.cfg.set("loglevel", "error")
            self.cfg.set("control_socket_disable", True)
            self.cfg.set("when_ready", lambda arbiter: print(arbiter.LISTENERS[0].sock.getsockname()[1], flush=True))

        def load(self):
            def echo(environ, start_response):
                body = environ["wsgi.input"].read()
                if environ["PATH_INFO"] == "/hold":
                    freed.wait(30)
                    body = b"%f" % WAITED_S.get()
                if environ["PATH_INFO"] == "/metrics":
                    freed.set()
                start_response("200 OK", [("Content-Length", str(len(body)))])
                return [body]
            return echo

    Echo().run()
"""
OK = b"HTTP/1.1 200 OK\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
WHOLE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    HEAD + b"Content-Length: 5\r\n\r\nhello",
    HEAD + b"content-length:0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n8;a=b\r\n12\r\n\r\n12\r\n0\r\nX-Sum: x\r\n\r\n",
]


@pytest.mark.parametrize("text", WHOLE)
def test_a_request_is_complete_with_its_last_byte_however_it_comes(text: bytes) -> None:
    at_once, bytewise = Incoming(0.0), Incoming(0.0)

    assert at_once.add(text)
    assert [bytewise.add(text[i : i + 1]) for i in range(len(text))] == [False] * (len(text) - 1) + [True]
    assert bytewise.refusal is None


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD, 431),
        (HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (MAX_BODY + 1), 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 300, 400),
    ],
)
def test_what_is_too_large_or_malformed_is_refused_before_it_is_here(text: bytes, status: int) -> None:
    incoming = Incoming(0.0)

    assert not incoming.add(text)
    assert incoming.refusal == status


@pytest.fixture
def server() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Port and process of an echo with two threads."""
    command = [sys.executable, "-c", textwrap.dedent(_SERVER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process
        process.kill()


def _say(port: int, text: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(text)
    return client


def _answer(stream: BinaryIO) -> tuple[bytes, bytes]:
    """The next answer's status line and body."""
    status = stream.readline()
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return status, stream.read(length)


def _ask(port: int, text: bytes) -> tuple[bytes, bytes]:
    with _say(port, text) as client, client.makefile("rb") as stream:
        return _answer(stream)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nX-Slow: ",
        HEAD + b"Content-Length: 99\r\n\r\nx",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n",
    ],
)
def test_unfinished_requests_keep_nobody_out(server: tuple[int, subprocess.Popen[str]], begun: bytes) -> None:
    port, _ = server

    with contextlib.ExitStack() as slow:
        for _ in range(20):
            slow.enter_context(_say(port, begun))
        start = time.monotonic()
        answers = [_ask(port, text) for text in WHOLE]

    assert {status for status, _ in answers} == {OK}
    assert [body for _, body in answers] == [b"", b"hello", b"", b"hello", b"12\r\n\r\n12"]
    assert time.monotonic() - start < 3


def test_health_is_answered_while_all_threads_are_held_and_more_requests_wait(
    server: tuple[int, subprocess.Popen[str]],
) -> None:
    port, _ = server

    with contextlib.ExitStack() as held:
        clients = [held.enter_context(_say(port, b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")) for _ in range(5)]
        start = time.monotonic()
        for path in (b"/health/live", b"/health/ready?x", b"/health/live", b"/metrics"):
            assert _ask(port, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n") == (OK, b"")
        asked_for = time.monotonic() - start
        answers = [_answer(held.enter_context(client.makefile("rb"))) for client in clients]

    assert asked_for < 3
    waited = sorted(float(body) for _, body in answers)
    assert waited[1] < waited[2]  # three of them had to wait for a thread, and it is known how long


def test_requests_follow_each_other_on_one_connection(server: tuple[int, subprocess.Popen[str]]) -> None:
    port, _ = server
    first, second = HEAD + b"Content-Length: 3\r\n\r\none", HEAD + b"Content-Length: 3\r\n\r\ntwo"

    with _say(port, first + second[:30]) as client, client.makefile("rb") as stream:
        assert _answer(stream) == (OK, b"one")
        client.sendall(second[30:])
        assert _answer(stream) == (OK, b"two")


def test_who_waits_to_be_told_to_go_on_is_told(server: tuple[int, subprocess.Popen[str]]) -> None:
    port, _ = server

    with (
        _say(port, HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n") as client,
        client.makefile("rb") as stream,
    ):
        assert _answer(stream) == (b"HTTP/1.1 100 Continue\r\n", b"")
        client.sendall(b"hello")
        answers = [_answer(stream)]
        while answers[-1][0].startswith(b"HTTP/1.1 100"):  # gunicorn says it, too
            answers.append(_answer(stream))
    assert answers[-1] == (OK, b"hello")


def test_idle_connections_do_not_hold_up_the_end(server: tuple[int, subprocess.Popen[str]]) -> None:
    port, process = server

    with _say(port, b""), _say(port, b"GET /"):
        assert _ask(port, WHOLE[0]) == (OK, b"")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
