"""Questions that many ask in the same instant: each gets its own answer; what is not ordinary goes the other way."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import BinaryIO

import pytest
from steelyard_common.http.at_once import plain

_SERVER = """
    import threading
    from steelyard_common.http.at_once import Desk, Desked
    from steelyard_common.testing.http_server import serve

    freed = threading.Event()
    batches = []

    def answer(questions):
        batches.append(len(questions))
        words = [question.query for question in questions]
        if "wait" in words:
            freed.wait(60)
            freed.clear()
        if "broken" in words:
            raise RuntimeError("none of these")
        return [None if word.startswith("odd") else f"together {word}".encode() for word in words]

    def alone(environ, start_response):
        if environ["PATH_INFO"] == "/free":
            freed.set()
        body = f"alone {environ['QUERY_STRING']}".encode()
        if environ["PATH_INFO"] == "/largest":
            body = str(max(batches)).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    serve(Desked(alone, {
        "/ask": Desk(content_type="text/plain", answer=answer),
        "/same": Desk(content_type="text/plain", answer=b"for all"),
        "/large": Desk(content_type="text/plain", answer=b"x" * 6_000_000),
    }))
"""
HOST = "Host: x\r\n"
CLOSE = HOST + "Connection: close\r\n"
MANY = 300


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server with two threads and three desks."""
    command = [sys.executable, "-c", textwrap.dedent(_SERVER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.terminate()


def _say(port: int, target: str, headers: str = CLOSE, source: str = "127.0.0.1") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0))
    client.sendall(f"GET {target} HTTP/1.1\r\n{headers}\r\n".encode())
    return client


def _answer(stream: BinaryIO) -> str:
    """The next answer's body."""
    assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return stream.read(length).decode()


def _ask(port: int, target: str, headers: str = CLOSE) -> str:
    """The answer to a client that reads to the end of the connection."""
    with _say(port, target, headers) as client, client.makefile("rb") as stream:
        body = _answer(stream)
        assert stream.read() == b""
        return body


def test_each_of_many_gets_its_own_answer_and_they_are_answered_together(port: int) -> None:
    with _say(port, "/ask?wait") as first, first.makefile("rb") as stream:
        assert _ask(port, "/same") == "for all", "the first is at its desk"
        clients = [_say(port, f"/ask?{number}", source=f"127.7.0.{number % 250 + 1}") for number in range(MANY)]
        assert _ask(port, "/free") == "alone "
        assert _answer(stream) == "together wait"
    for number, client in enumerate(clients):
        with client, client.makefile("rb") as stream:
            assert _answer(stream) == f"together {number}"
    assert int(_ask(port, "/largest")) > 1


def test_whom_a_desk_leaves_is_answered_alone(port: int) -> None:
    clients = [_say(port, f"/ask?{'odd' if number % 3 else 'even'}-{number}") for number in range(30)]

    for number, client in enumerate(clients):
        with client, client.makefile("rb") as stream:
            assert _answer(stream) == (f"alone odd-{number}" if number % 3 else f"together even-{number}")


def test_when_many_cannot_be_answered_together_each_is_answered_alone(port: int) -> None:
    assert _ask(port, "/ask?broken") == "alone broken"
    assert _ask(port, "/ask?whole") == "together whole"


def test_what_is_the_same_for_all_waits_for_nobody(port: int) -> None:
    with _say(port, "/ask?wait") as waiting, waiting.makefile("rb") as stream:
        assert _ask(port, "/same") == "for all"
        assert _ask(port, "/elsewhere?x") == "alone x"
        assert _ask(port, "/free") == "alone "
        assert _answer(stream) == "together wait"


def test_questions_follow_each_other_on_one_connection_whoever_answers_them(port: int) -> None:
    targets = {"/same": "for all", "/ask?1": "together 1", "/other?2": "alone 2", "/ask?odd": "alone odd"}
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client, client.makefile("rb") as stream:
        for target, told in [*targets.items(), *targets.items()]:
            client.sendall(f"GET {target} HTTP/1.1\r\n{HOST}\r\n".encode())
            assert _answer(stream) == told
        two = f"GET /ask?1 HTTP/1.1\r\n{HOST}\r\nGET /same HTTP/1.1\r\n{CLOSE}\r\n"
        client.sendall(two.encode())
        assert [_answer(stream), _answer(stream), stream.read()] == ["alone 1", "for all", b""]


def test_a_question_may_come_byte_by_byte_and_its_answer_be_read_late(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client, client.makefile("rb") as stream:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in f"GET /large HTTP/1.1\r\n{CLOSE}\r\n".encode():
            client.sendall(bytes([byte]))
        assert _ask(port, "/same") == "for all"
        assert len(_answer(stream)) == 6_000_000


@pytest.mark.parametrize(
    "text",
    [
        "POST /ask HTTP/1.1\r\nHost: x\r\n\r\n",
        "HEAD /ask HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /ask HTTP/1.0\r\nHost: x\r\n\r\n",
        "GET http://x/ask HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /ask HTTP/1.1\r\n\r\n",
        "GET /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na",
        "GET /ask HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n",
        "GET /ask HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /ask HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n",
        "GET /ask HTTP/1.1\r\nHost: x\r\nIf-None-Match: a\r\n\r\n",
        "GET /ask HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /ask HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        "GET /ask HTTP/1.1\nHost: x\n\n",
        "GET /ask HTTP/1.1\r\nHost: x\r\n\r\nGET /ask HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /ask HTTP/1.1\r\nHost: \x01\r\n\r\n",
        "GET /as k HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /ask#part HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_not_plain_goes_the_ordinary_way(text: str) -> None:
    assert plain(text.encode(), "127.0.0.1") is None


@pytest.mark.parametrize("closing", ["Connection: close", "connection: TE, Close"])
def test_a_plain_question_is_read_with_its_query_and_whether_its_connection_stays(closing: str) -> None:
    kept = plain(b"GET /ask?a=%20b&c HTTP/1.1\r\nHost: x\r\nUser-Agent: iPXE/1.21\r\nX:\r\n\r\n", "10.0.0.1")
    closed = plain(f"GET /ask HTTP/1.1\r\nHost: x\r\n{closing}\r\n\r\n".encode(), "10.0.0.1")

    assert kept is not None
    assert closed is not None
    assert (kept.path, kept.query, kept.address, kept.keeps) == ("/ask", "a=%20b&c", "10.0.0.1", True)
    assert (closed.path, closed.query, closed.keeps) == ("/ask", "", False)
