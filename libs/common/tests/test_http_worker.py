"""Requests that never end take no thread: what is complete, what is refused, and a worker with two threads."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
from steelyard_common.http.incoming import MAX_BODY, MAX_HEAD, Held, Incoming
from steelyard_common.http.turns import Names, Turns, greediest
from steelyard_common.testing import eventually

_SERVER = """
    import os, sys, threading
    from steelyard_common.http import CALLER, HELD_S, WAITED_S, arrivals
    from steelyard_common.testing.http_server import serve

    freed, held = threading.Event(), []
    arrivals.STOPPING_S = float(sys.argv[3])

    class Door:
        def __init__(self, app):
            self.app = app

        def __call__(self, environ, start_response):
            return self.app(environ, start_response)

        @property
        def is_open(self):
            return not os.path.exists(sys.argv[2])

    def echo(environ, start_response):
        body = environ["wsgi.input"].read()
        if environ["PATH_INFO"] == "/hold":
            held.append(WAITED_S.get())
            freed.wait(60)
            body = b"%f" % held.pop()
        if environ["PATH_INFO"] == "/metrics":
            freed.set()
        if environ["QUERY_STRING"] == "held":
            body = b"%d" % len(held)
        if environ["PATH_INFO"] == "/large":
            body = b"x" * 6_000_000
        if environ["PATH_INFO"] == "/later":
            HELD_S.set(5.0)
        CALLER.set(environ.get("HTTP_X_AUTH_TOKEN"))
        if environ["PATH_INFO"] == "/who":
            body = sys.argv[2].encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    serve(Door(echo), sys.argv[1])
"""
LARGE, HELD_S = 6_000_000, 5.0
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


def _echo(
    bind: str, closed_by: str = "no-file", sockets: Sequence[int] = (), stopping_s: float = 2.0
) -> subprocess.Popen[str]:
    """It takes no connection while the file ``closed_by`` is there."""
    command = [sys.executable, "-c", textwrap.dedent(_SERVER), bind, closed_by, str(stopping_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=sockets)


@pytest.fixture
def server() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Port and process of an echo with two threads."""
    with _running() as running:
        yield running


@contextlib.contextmanager
def _running(stopping_s: float = 2.0) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    with _echo("127.0.0.1:0", stopping_s=stopping_s) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process
        process.kill()


def _say(port: int, text: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
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


def _get(port: int, path: bytes) -> tuple[bytes, bytes]:
    return _ask(port, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")


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
    assert time.monotonic() - start < 15, "none of them waited for an end of the others"


def test_health_is_answered_while_all_threads_are_held_and_more_requests_wait(
    server: tuple[int, subprocess.Popen[str]],
) -> None:
    port, _ = server

    with contextlib.ExitStack() as held:
        clients = [held.enter_context(_say(port, b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")) for _ in range(5)]
        eventually(lambda: _get(port, b"/health/live?held") == (OK, b"1"))
        seen = time.monotonic()
        for path in (b"/health/live", b"/health/ready?x", b"/health/live"):
            assert _get(port, path) == (OK, b"")
        lasted = time.monotonic() - seen
        assert _get(port, b"/metrics") == (OK, b"")
        answers = [_answer(held.enter_context(client.makefile("rb"))) for client in clients]

    waited = sorted(float(body) for _, body in answers)
    assert waited[1] >= lasted, "four of them had to wait for a thread, and it is known how long"


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
        assert process.wait(20) == 0


def test_who_connected_before_the_process_stops_is_still_heard() -> None:
    with (
        _running(stopping_s=30.0) as (port, process),
        _say(port, b"") as client,
        client.makefile("rb") as stream,
    ):
        assert _ask(port, WHOLE[0]) == (OK, b"")  # so the first connection is accepted, too
        process.send_signal(signal.SIGTERM)
        with pytest.raises(OSError, match=r"refused|reset"):  # noqa: PT012 - the first that is not answered
            while True:
                _ask(port, WHOLE[0])
        client.sendall(WHOLE[1])
        assert _answer(stream) == (OK, b"hello")


def test_a_shared_port_is_served_by_those_that_are_open_and_turns_nobody_away(tmp_path: Path) -> None:
    closed, who = tmp_path / "closed", b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n"
    closed.touch()

    with socket.create_server(("127.0.0.1", 0)) as door, contextlib.ExitStack() as stack:
        port, bind = door.getsockname()[1], f"fd://{door.fileno()}"
        late, ready = (stack.enter_context(_echo(bind, name, [door.fileno()])) for name in (str(closed), "ready"))
        stack.callback(late.kill)
        stack.callback(ready.kill)
        assert late.stdout is not None
        assert late.stdout.readline()
        assert {_ask(port, who) for _ in range(20)} == {(OK, b"ready")}

        ready.terminate()
        assert ready.wait(30) == 0
        with _say(port, who) as client, client.makefile("rb") as stream:  # in the queue; nobody takes it yet
            closed.unlink()
            assert _answer(stream) == (OK, str(closed).encode())


def _slow_reader(port: int, path: bytes) -> socket.socket:
    """Asks for much, and takes nothing of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    return client


def test_who_reads_slowly_keeps_nobody_out_and_gets_everything(server: tuple[int, subprocess.Popen[str]]) -> None:
    port, _ = server

    with contextlib.ExitStack() as slow:
        clients = [slow.enter_context(_slow_reader(port, b"/large")) for _ in range(6)]
        assert _ask(port, WHOLE[1]) == (OK, b"hello")
        assert _ask(port, WHOLE[1]) == (OK, b"hello")
        stream = slow.enter_context(clients[0].makefile("rb"))
        status, body = _answer(stream)
        assert (status, len(body), set(body)) == (OK, LARGE, {ord("x")})
        clients[0].sendall(WHOLE[1])
        assert _answer(stream) == (OK, b"hello"), "the connection goes on"


def test_who_does_not_close_its_end_holds_up_nobody(server: tuple[int, subprocess.Popen[str]]) -> None:
    port, _ = server
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    with contextlib.ExitStack() as open_ends:
        start = time.monotonic()
        for _ in range(10):
            client = open_ends.enter_context(_say(port, last))
            assert _answer(open_ends.enter_context(client.makefile("rb"))) == (OK, b"")
        took = time.monotonic() - start

        assert client.recv(1) == b"", "the server has closed its own"
    assert took < 15, "no two seconds for each"


def test_an_answer_that_is_held_back_comes_later_and_takes_no_thread(server: tuple[int, subprocess.Popen[str]]) -> None:
    port, _ = server

    with contextlib.ExitStack() as held:
        start = time.monotonic()
        clients = [held.enter_context(_say(port, b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n")) for _ in range(4)]
        assert _ask(port, WHOLE[1]) == (OK, b"hello")
        soon = time.monotonic() - start
        answers = [_answer(held.enter_context(client.makefile("rb"))) for client in clients]
        late = time.monotonic() - start

    assert soon < HELD_S <= late
    assert answers == [(OK, b"")] * 4


def test_of_two_callers_the_one_who_asks_little_does_not_wait_for_the_one_who_asks_much(
    server: tuple[int, subprocess.Popen[str]],
) -> None:
    port, _ = server

    def asked_by(name: bytes, path: bytes) -> bytes:
        return b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + name + b"\r\n\r\n"

    for name in (b"ann", b"bob"):
        assert _ask(port, asked_by(name, b"/")) == (OK, b"")
    with contextlib.ExitStack() as many:
        anns = [many.enter_context(_say(port, asked_by(b"ann", b"/hold"))) for _ in range(20)]
        assert [_ask(port, asked_by(b"bob", b"/")) for _ in range(3)] == [(OK, b"")] * 3
        _ask(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")  # sets ann's free
        assert {_answer(many.enter_context(each.makefile("rb")))[0] for each in anns} == {OK}


def test_a_whole_request_is_read_piece_by_piece_and_what_was_read_too_far_is_given_back() -> None:
    held = Held(b"head\r\nbody+next")

    assert held.read(6) == b"head\r\n"
    held.unread(b"\r\n")
    assert held.read() == b"\r\nbody+next"
    held.unread(b"body+next")
    assert (held.read(4), held.buf.getvalue(), held.take_buffered(), held.read(3)) == (b"body", b"+next", b"+next", b"")
    held.unread(b"another")
    assert held.read() == b"another"


def test_turns_go_round_and_one_caller_never_has_all_threads() -> None:
    now, begun = [0.0], list[str]()
    turns = Turns(8, clock=lambda: now[0])

    def ask(names: str) -> list[str]:
        for name in names:
            turns.add(name, lambda name=name: begun.append(name))  # type: ignore[misc]
        return begun

    assert "".join(ask("aaaaaaaa")) == "aaaaaa", "who is alone leaves two to others"
    assert "".join(ask("bbbc")) == "aaaaaabb", "all are in use"
    for name in "aaaab":
        turns.done(name)
    assert "".join(begun[8:]) == "cb", "a has its share among others"
    for name in "aa":
        turns.done(name)
    assert "".join(begun[10:]) == "aa"

    for name in "aabbc":
        turns.done(name)
    now[0] = 3.0
    assert "".join(ask("bbbbbbb")[12:]) == "bbbbbb", "the others have gone"


def test_who_asks_for_much_work_has_one_request_at_a_time_among_others() -> None:
    now, begun = [0.0], list[str]()
    turns = Turns(8, clock=lambda: now[0])
    for name in "baaaa":
        turns.add(name, lambda name=name: begun.append(name))  # type: ignore[misc]
    assert begun == ["b", "a", "a"]

    turns.done("a", was_heavy=True)
    assert begun == ["b", "a", "a"], "one of them is still at work"
    turns.done("a", was_heavy=True)
    assert begun == ["b", "a", "a", "a"]
    now[0] = 1.5
    turns.look()
    assert begun[4:] == ["a"], "what takes so long only waits for something"


def test_a_caller_is_known_by_what_it_signs_in_with_which_is_not_kept() -> None:
    names = Names()
    digest, caller = names.find(b"token", "127.0.0.1")
    assert caller == "address 127.0.0.1"

    names.learn(digest, "project p")
    names.learn(digest, None)

    assert names.find(b"token", "127.0.0.2") == (digest, "project p")
    assert names.find(None, "127.0.0.2") == (None, "address 127.0.0.2")
    assert "token" not in repr(vars(names))


def test_room_is_made_by_who_holds_most() -> None:
    held = [("first", "a", 3), ("large", "b", 5), ("second", "a", 4), ("third", "a", 4)]

    assert greediest(held) == "second"
