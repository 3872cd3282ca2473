"""Questions that a thousand machines ask in the same instant: many are answered together, without a thread for each.

An application names them (``Desked``): path → ``Desk``. Only plain requests come here: GET by HTTP/1.1, without a body
or anything else that would change the answer. All others, and those that a desk leaves, go the ordinary way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from gunicorn.util import http_date
from gunicorn.workers.gthread import TConn

from ..telemetry import get_logger
from . import StartResponse, Wsgi
from .incoming import Incoming
from .turns import Turns

log = get_logger(__name__)
MOST = 128  # questions on their way: half of them are with the application while the others come
_PLAIN = re.compile(
    rb"GET (/[!-\"$->@-~]*)(?:\?([!-\"$-~]*))? HTTP/1\.1\r\n((?:[A-Za-z0-9!#-'*+.^_`|~-]+:[\t -~]*\r\n)+)\r\n"
)
_NOT_PLAIN = re.compile(rb"^(?:content-length|transfer-encoding|expect|upgrade|range|if-[a-z-]+):", re.I | re.M)
_CLOSES = re.compile(rb"^connection:[^\r]*\bclose\b", re.I | re.M)


@dataclass(frozen=True)
class Question:
    """``address``: where it came from. ``keeps``: the connection is to stay."""

    path: str
    query: str
    address: str
    keeps: bool


Answerer = Callable[[Sequence[Question]], Sequence[bytes | None]]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """``answer``: what all are told; or who answers many, in a thread: each its text, None to ask the ordinary way.

    Texts are small: the loop sends them.
    """

    content_type: str
    answer: bytes | Answerer


class Desked:
    """WSGI: ``app``, with desks beside it."""

    def __init__(self, app: Wsgi, desks: Mapping[str, Desk]) -> None:
        self.app, self.desks = app, desks

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return self.app(environ, start_response)


def plain(data: bytes | bytearray, address: str) -> Question | None:
    """``data``: a whole request. None: it is not of this kind."""
    found = _PLAIN.fullmatch(data)
    if found is None:
        return None
    path, query, headers = found.groups()
    if _NOT_PLAIN.search(headers):
        return None
    return Question(path.decode(), (query or b"").decode(), address, _CLOSES.search(headers) is None)


@dataclass(frozen=True)
class Asker:
    """Who waits for what."""

    conn: TConn
    incoming: Incoming
    question: Question
    desk: Desk

    def text(self, body: bytes, *, kept: bool) -> bytes:
        """The whole answer."""
        head = (
            f"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: {http_date()}\r\n"
            f"Connection: {'keep-alive' if kept else 'close'}\r\nContent-Type: {self.desk.content_type}\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n\r\n"
        )
        return head.encode() + body


class Desks:
    """In the thread of the loop, but for ``_work``. Callers take turns, as they do for threads.

    ``reply`` gives somebody an answer; ``otherwise`` has one asked the ordinary way; ``defer``: to the loop's thread.
    """

    def __init__(
        self,
        defer: Callable[..., None],
        reply: Callable[[Asker, bytes], None],
        otherwise: Callable[[TConn, Incoming], None],
    ) -> None:
        self._defer, self._reply, self._otherwise = defer, reply, otherwise
        self._turns = Turns(MOST)
        self._waiting: list[Asker] = []
        self._thread = ThreadPoolExecutor(1, "at-once")
        self._is_out = False

    def take(self, desks: Mapping[str, Desk], conn: TConn, incoming: Incoming) -> bool:
        """→ whether this whole request is answered here."""
        question = plain(incoming.data, str(conn.client[0]) if conn.client else "") if desks else None
        desk = desks.get(question.path) if question is not None else None
        if question is None or desk is None:
            return False
        asker = Asker(conn, incoming, question, desk)
        if isinstance(desk.answer, bytes):
            self._reply(asker, desk.answer)
        else:
            self._turns.add(question.address, lambda: self._waiting.append(asker))
        return True

    def ask(self) -> None:
        """Once in each turn of the loop: all who have come since the last time."""
        if self._waiting and not self._is_out:
            batch, self._waiting = self._waiting, []
            self._is_out = True
            self._thread.submit(self._work, batch).add_done_callback(partial(self._defer, self._answered, batch))

    def _work(self, batch: Sequence[Asker]) -> list[bytes | None]:
        answers: list[bytes | None] = [None] * len(batch)
        for desk in dict.fromkeys(asker.desk for asker in batch):
            places = [place for place, asker in enumerate(batch) if asker.desk is desk]
            answer = desk.answer  # a constant never comes here
            found = () if isinstance(answer, bytes) else answer([batch[place].question for place in places])
            for place, text in zip(places, found, strict=True):
                answers[place] = text
        return answers

    def _answered(self, batch: Sequence[Asker], done: Future[list[bytes | None]]) -> None:
        self._is_out = False
        error = done.exception()
        if error is not None:
            log.warning("questions could not be answered together", count=len(batch), error=type(error).__name__)
        answers = done.result() if error is None else [None] * len(batch)
        for asker, answer in zip(batch, answers, strict=True):
            self._turns.done(asker.question.address)
            if answer is None:
                self._otherwise(asker.conn, asker.incoming)
            else:
                self._reply(asker, answer)
