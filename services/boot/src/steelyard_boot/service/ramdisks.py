"""Ramdisks as steps: brought to a node for a work, and taken away. What is fetched for one is fetched by artifacts,
what the machine then boots is told to boots; the session of the agent that was there before ends here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from steelyard_common.certificates import certificate_pem, key_pem, new_key, self_signed
from steelyard_common.contracts.steps import Again, Done, StepResult
from steelyard_common.errors import InvalidRequest, Unsupported
from steelyard_common.provider import Clock, Slice, StepFunction

from ..domain.artifacts import Artifact, Fetching, Wish
from ..domain.boot_model import Purpose
from ..domain.installer import project_of
from ..domain.node_for_boot import FAKE, BootOf, Identity, NodeForBoot
from ..domain.ramdisk_choice import Defaults, choose
from ..domain.reverse import Called, called
from .agents import Agents
from .artifacts import Artifacts, saying_which
from .boots import Prepared

FETCH_S = 2.0
OWN_TOKEN = "/agent_token"  # noqa: S105 - a JSON pointer


class Boots(Protocol):
    """See ``service.boots.Boots``."""

    def prepare(self, node: NodeForBoot, what: BootOf) -> Prepared: ...
    def local(self, node: NodeForBoot) -> None: ...
    def clear(self, node: NodeForBoot) -> None: ...


class Ramdisks:
    """``defaults``: ramdisks of nodes that name none."""

    def __init__(self, agents: Agents, artifacts: Artifacts, boots: Boots, defaults: Defaults, clock: Clock) -> None:
        self._agents, self._artifacts, self._boots = agents, artifacts, boots
        self._defaults, self._clock = defaults, clock

    def prepare(self, purpose: Purpose) -> StepFunction:
        """The agent, for a work. Args: ``keep_agent``: it runs already and is to be left alone."""

        def run(piece: Slice) -> StepResult:
            if piece.step.args.get("keep_agent"):
                return Done()
            return self.bring_agent(piece, purpose)

        return run

    def tear_down(self, piece: Slice) -> StepResult:
        """Args: ``keep_agent``: it is to stay for the next work."""
        if piece.step.args.get("keep_agent"):
            return Done()
        self.take_away(piece)
        return Done()

    def bring_agent(self, piece: Slice, purpose: Purpose) -> StepResult:
        """Errors: InvalidRequest, Unsupported, and what a fetch and the BMC raise."""
        node = NodeForBoot.from_view(piece.node)
        place = called(piece.node)
        if place is not None and not node.by_media:
            return self._bring_its_own(piece, node, purpose, place)
        if node.interface == FAKE:  # somebody else brings the ramdisk: here it is only expected
            self._agents.expect(node.uuid)
            return Done()
        return self._bring(piece, node, purpose, place)

    def _bring_its_own(self, piece: Slice, node: NodeForBoot, purpose: Purpose, place: Called) -> StepResult:
        """A ramdisk with a token of its own, because none can be sent along in secret. Errors: InvalidRequest."""
        token = (piece.node.get("sealed") or {}).get(OWN_TOKEN)
        if not token:
            raise InvalidRequest(
                f"the agent cannot be told its token by the boot interface '{node.interface}': use "
                "'redfish-virtual-media', or a ramdisk that has a token of its own and driver_info agent_token"
            )
        brought = Done() if node.interface == FAKE else self._bring(piece, node, purpose, None)
        if isinstance(brought, Done):
            self._agents.expect(node.uuid, token, place)
        return brought

    def _bring(self, piece: Slice, node: NodeForBoot, purpose: Purpose, place: Called | None) -> StepResult:
        chosen = choose(purpose, piece.node, node.arch, self._defaults)
        wishes = {
            part: Wish(url=url, kind=part, is_owners=chosen.is_own and bool(piece.node.get("owner")))
            for part, url in (("kernel", chosen.kernel), ("ramdisk", chosen.ramdisk), ("iso", chosen.iso))
            if url
        }
        found = self.fetched(piece, wishes, f"node:{node.uuid}:ramdisk", chosen.names)
        if isinstance(found, Again):
            return found
        token = self._agents.sealed_token() if node.by_media else None
        network = piece.node.get("network_data") or None
        identity = _identity(place) if place is not None else None
        what = BootOf(
            purpose=purpose, agent=True, token=token, network_data=network, called=identity,
            kernel=found.get("kernel"), ramdisk=found.get("ramdisk"), iso=found.get("iso"),
        )  # fmt: skip
        prepared = self._boots.prepare(node, what)
        if place is not None and not prepared.has_token:
            raise Unsupported(
                "the agent cannot be told its token: the BMC has one slot only, and deploy_iso fills it. Set "
                "deploy_kernel and deploy_ramdisk instead; an ISO is then made for this node"
            )
        if place is not None and identity is not None and identity.certificate:
            place = replace(place, certificate=identity.certificate)
        self._agents.expect(node.uuid, token if prepared.has_token else None, place)
        return Done()

    def bring_image(self, piece: Slice) -> StepResult:
        """An instance that runs from memory (deploy interface ``ramdisk``, facts §9)."""
        node = NodeForBoot.from_view(piece.node)
        if node.interface == FAKE:
            return Done()
        info: Mapping[str, Any] = piece.node.get("instance_info") or {}
        parts = (("iso", info.get("boot_iso")),) if info.get("boot_iso") else (
            ("kernel", info.get("kernel")), ("ramdisk", info.get("ramdisk")),
        )  # fmt: skip
        wishes = {part: Wish(url=str(url), kind=part, project=project_of(piece.node)) for part, url in parts if url}
        names = {"iso": "instance_info boot_iso"} | {part: f"instance_info {part}" for part in ("kernel", "ramdisk")}
        found = self.fetched(piece, wishes, f"node:{node.uuid}:instance", names)
        if isinstance(found, Again):
            return found
        words = info.get("ramdisk_kernel_arguments")
        if words is not None and not isinstance(words, str):
            raise InvalidRequest("instance_info: ramdisk_kernel_arguments must be a text")
        arguments = tuple((words or "").split())
        what = BootOf(
            purpose=Purpose.RAMDISK, arguments=arguments, kernel=found.get("kernel"), ramdisk=found.get("ramdisk"),
            iso=found.get("iso"),
        )  # fmt: skip
        self._boots.prepare(node, what)
        return Done()

    def local(self, piece: Slice) -> None:
        """From now on the machine boots its own disk."""
        node = NodeForBoot.from_view(piece.node)
        if node.interface != FAKE:
            self._boots.local(node)

    def take_away(self, piece: Slice, *, whole: bool = False) -> None:
        """The ramdisk; ``whole``: also what the instance needed. Nothing to do is done."""
        node = NodeForBoot.from_view(piece.node)
        if node.interface != FAKE:
            self._boots.clear(node)
        self._agents.forget(node.uuid)
        self._artifacts.release(f"node:{node.uuid}:" if whole else f"node:{node.uuid}:ramdisk")

    def fetched(
        self, piece: Slice, wishes: Mapping[str, Wish], reference: str, names: Mapping[str, str]
    ) -> dict[str, Artifact] | Again:
        """All of them, or how far the first is that is not here yet. ``names``: of the parts, for errors."""
        now = self._clock()
        found: dict[str, Artifact] = {}
        waiting: list[Fetching] = []
        for part, wish in wishes.items():
            with saying_which(names[part]):
                got = self._artifacts.want(wish, now)
            self._artifacts.keep(f"{reference}:{part}", wish)
            if isinstance(got, Fetching):
                waiting.append(got)
            else:
                found[part] = got
        return Again(after_s=FETCH_S, memo=piece.step.memo, progress=waiting[0].text) if waiting else found


def _identity(place: Called) -> Identity:
    """A certificate for this boot only: whoever answers at the agent's address must have got the medium."""
    if not place.has_tls:
        return Identity()
    key = new_key()
    certificate = self_signed("agent", key, [place.host])
    return Identity(certificate=certificate_pem(certificate).decode(), key=key_pem(key).decode())
