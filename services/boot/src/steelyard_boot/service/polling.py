"""Reverse mode: agents that call nobody are called, till they answer and while they work; an answer is a heartbeat.

Every replica polls; who is called is lent to one of them at a time. A session that ends ends the calls.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from ..domain.sessions import Session
from ..drivers.agent import AgentClient
from .agents import Agents
from .inband import door_of

log = get_logger(__name__)
LOOK_S, MET_S, MISSED_S, SLOW_S = 1.0, 10.0, 3.0, 30.0
PATIENT = 200  # failures in a row, after which it is called more rarely
PARALLEL, MOST, LEND_S = 8, 64, 60.0


class Polling:
    """``start``, and ``stop``."""

    def __init__(self, agents: Agents, client: AgentClient, *, look_s: float = LOOK_S) -> None:
        self._agents, self._client, self._look_s = agents, client, look_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poll-agents", daemon=True)
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="poll-agent")

    def start(self) -> Polling:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def look(self) -> int:
        """Call those that are due. → how many"""
        due = self._agents.due(MOST, LEND_S)
        list(self._pool.map(self._call, due))
        return len(due)

    def _run(self) -> None:
        while not self._stopping.wait(self._look_s):
            try:
                self.look()
            except SteelyardError as error:
                log.warning("agents are not called for the moment", reason=error.message)
            except Exception as error:  # without this loop nobody is called any more
                log.exception("polling agents failed", error=type(error).__name__)

    def _call(self, session: Session) -> None:
        try:
            door = door_of(session, session.reverse_url or "", self._agents.open_token(session))
            told = self._client.status(door)
            self._client.commands(door)  # it takes our token: it is the one that was booted
            self._agents.met(session, str(told.get("version") or "") or None, MET_S)
        except SteelyardError as error:
            log.debug("an agent does not answer yet", node=session.node_uuid, reason=error.message)
            self._agents.missed(session, MISSED_S if session.poll_failures < PATIENT else SLOW_S)
