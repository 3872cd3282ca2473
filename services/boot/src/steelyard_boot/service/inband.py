"""A command of the agent as a step: begun once, looked at when the agent calls, told as a result (facts §12).

Nothing is kept here: the command's id travels in the step's memo. A slice that may not be the first looks at the
agent's list of commands before it sends anything; each step that the agent is given carries a mark, so that a repeat is
known by it. An agent that was started anew has an empty list: what ran there is lost, and is not begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from steelyard_common.contracts.steps import Again, Failed, StepResult, Wait
from steelyard_common.errors import (
    Busy,
    Conflict,
    DeviceRefused,
    DeviceUnreachable,
    NotFound,
    OutcomeUnknown,
    SteelyardError,
)
from steelyard_common.provider import Clock, Slice
from steelyard_common.telemetry import get_logger

from ..domain.agent_errors import remedy_for
from ..domain.sessions import Session
from ..drivers.agent import MISMATCH, SUCCEEDED, AgentClient, Command, Door
from .agents import Agents

log = get_logger(__name__)
HEARTBEAT = "heartbeat"
BUSY_S, UNREACHABLE_S, UNKNOWN_S, POLL_S = 5.0, 5.0, 2.0, 5.0
FAREWELL_S = 10.0
MARK = "steelyard"  # key of a step that the agent echoes
# Commands whose result shows which step they ran.
ECHOES = {f"execute_{kind}_step": f"{kind}_step" for kind in ("clean", "deploy", "service")}
Then = Callable[[Command], StepResult]


class InBand:
    """``verify``: how agents are believed that sent no certificate: True, by the system's authorities."""

    def __init__(
        self, agents: Agents, client: AgentClient, clock: Clock, *, silence_s: float = 300, verify: bool = True
    ) -> None:
        self._agents, self._client, self._clock = agents, client, clock
        self._silence_s, self._verify = silence_s, verify

    def session(self, piece: Slice) -> Session:
        """Errors: Conflict when no agent has called."""
        session = self._agents.session(piece.node["uuid"])
        if session is None or not session.url or session.token is None:
            raise Conflict(
                f"no agent has called from node {piece.node['uuid']} since it was last switched on: "
                "look how far its boot came, and begin this work again"
            )
        return session

    def door(self, piece: Slice, session: Session | None = None) -> Door:
        """Errors: Conflict."""
        session = session or self.session(piece)
        own = piece.driver_info.get("agent_verify_ca")
        verify = own if isinstance(own, bool) else self._verify
        return door_of(session, session.url or "", self._agents.open_token(session), verify=verify)

    def is_alive(self, piece: Slice) -> bool:
        """It was heard of not long ago, and answers."""
        session = self._agents.session(piece.node["uuid"])
        if (
            session is None
            or not session.url
            or not session.token
            or not session.is_alive(self._clock(), self._silence_s)
        ):
            return False
        try:
            self._client.commands(self.door(piece, session))
        except SteelyardError as error:
            log.info("an agent that was alive does not answer", node=session.node_uuid, reason=error.message)
            return False
        return True

    def ask(self, piece: Slice, name: str, params: Mapping[str, Any] | None = None, timeout_s: float = 60) -> Command:
        """A synchronous command. Errors: those of the agent; DeviceRefused when it failed."""
        command = self._client.run(self.door(piece), name, params, wait=True, timeout_s=timeout_s)
        if command.status != SUCCEEDED:
            raise failure(name, command)
        return command

    def begin(self, piece: Slice, name: str) -> None:
        """A command whose end nobody hears of, because it ends the agent, too. Errors: those of the agent."""
        self._client.run(self.door(piece), name, timeout_s=FAREWELL_S)

    def asking(self, piece: Slice, ask: Callable[[], StepResult]) -> StepResult:
        """``ask`` with what may pass by itself waited for."""
        session = self.session(piece)
        try:
            return ask()
        except Busy as error:
            return Again(after_s=BUSY_S, memo=piece.step.memo, progress=error.message)
        except (DeviceUnreachable, OutcomeUnknown) as error:
            return self._away(piece, session, error, piece.step.memo)

    def run(self, piece: Slice, name: str, params: Mapping[str, Any], words: str, then: Then) -> StepResult:
        """An asynchronous command from its beginning to its end; ``then`` is given how it ended well or ill."""
        session = self.session(piece)
        door = self.door(piece, session)
        memo = dict(piece.step.memo)
        try:
            command = self._found(piece, door, name, memo) or self._client.run(door, name, params)
        except Busy as error:
            return Again(after_s=BUSY_S, memo=memo, progress=error.message)
        except OutcomeUnknown as error:
            return self._away(piece, session, error, memo | {"sent": True})
        except DeviceUnreachable as error:
            return self._away(piece, session, error, memo)
        memo = {"command": command.id, "began": memo.get("began") or self._clock().timestamp()}
        if not command.is_running:
            return then(command)
        for_s = self._clock().timestamp() - memo["began"]
        progress = f"{words} runs on the agent for {for_s:.0f} s"
        if session.reverse_url:
            return Again(after_s=POLL_S, memo=memo, progress=progress)
        return Wait(signal=HEARTBEAT, memo=memo, progress=progress)

    # ---- inside

    def _found(self, piece: Slice, door: Door, name: str, memo: Mapping[str, Any]) -> Command | None:
        """The command of this step, if it was sent before. Errors: OutcomeUnknown when it is lost."""
        if "command" in memo:
            try:
                return self._client.command(door, memo["command"])
            except NotFound as error:
                raise lost(piece, name) from error
        if not (piece.redelivered or piece.step.attempt > 1 or memo.get("sent")):
            return None
        return ours(self._client.commands(door), name, mark(piece))

    def _away(
        self, piece: Slice, session: Session, error: SteelyardError, memo: Mapping[str, Any]
    ) -> StepResult:  # fmt: skip
        """The agent does not answer: wait for it as long as it was heard of lately."""
        if isinstance(error, Lost):
            return Failed(error=OutcomeUnknown(error.message))
        seen, now = session.last_heartbeat_at, self._clock()
        if session.is_alive(now, self._silence_s):
            ago = (now - seen).total_seconds() if seen else 0
            after_s = UNKNOWN_S if isinstance(error, OutcomeUnknown) else UNREACHABLE_S
            text = f"{error.message}; it was heard of {ago:.0f} s ago"
            return Again(after_s=after_s, memo=dict(memo), progress=text)
        when = f"since {seen:%H:%M:%S} UTC" if seen else "ever"
        return Failed(
            error=OutcomeUnknown(
                f"the agent of node {piece.node['uuid']} was not heard of {when}, and does not answer: the machine "
                "crashed, lost its network, or was switched off. Look at its console, then begin this work again."
            )
        )


def door_of(session: Session, url: str, token: str, *, verify: bool = True) -> Door:
    """``verify``: how it is believed if no certificate of its own is known."""
    return Door(node_uuid=session.node_uuid, url=url, token=token, verify=session.verify_ca or verify)


class Lost(OutcomeUnknown):
    """What ran on the agent is gone with it."""


def lost(piece: Slice, name: str) -> Lost:
    return Lost(
        f"the agent of node {piece.node['uuid']} was started anew while {name} ran: how far it came is not known. "
        "The machine crashed or was reset; look at its console, then begin this work again."
    )


def mark(piece: Slice) -> str:
    """What no other step has."""
    return f"{piece.workflow}.{piece.step.index}"


def ours(commands: Sequence[Command], name: str, marked: str) -> Command | None:
    """The newest command that is this step's: by its mark where the agent echoes it, else by its name.

    One that failed echoes nothing; it is ours if it is the last, because nothing is begun behind a failure.
    """
    short = name.rpartition(".")[2]
    for place, command in enumerate(reversed(commands)):
        if command.name != short:
            continue
        if short not in ECHOES or command.is_running:
            return command
        echo = command.result.get(ECHOES[short]) if isinstance(command.result, Mapping) else None
        if isinstance(echo, Mapping) and echo.get(MARK) == marked:
            return command
        if echo is None and place == 0 and command.status not in (SUCCEEDED, MISMATCH):
            return command
    return None


def failure(name: str, command: Command) -> DeviceRefused:
    """In the agent's words, and with what to do about it where that is known."""
    said = (command.error or command.status).rstrip(" .")
    remedy = remedy_for(said)
    return DeviceRefused(f"{name} failed on the agent: {said}{f'. {remedy}' if remedy else ''}")
