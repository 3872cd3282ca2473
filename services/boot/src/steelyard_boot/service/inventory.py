"""What boot asks and tells inventory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from steelyard_common.bus import Bus
from steelyard_common.contracts import subjects
from steelyard_common.errors import OutcomeUnknown, Unavailable

SERVICE = "inventory"
TIMEOUT_S = 5.0


class Inventory:
    """Errors of every call: Unavailable besides those it names."""

    def __init__(self, bus: Bus, site: str) -> None:
        self._bus, self._site = bus, site

    def ramdisk_nodes(
        self, asked: Sequence[Mapping[str, Any]]
    ) -> tuple[list[dict[str, Any] | None], list[list[str]]]:  # fmt: skip
        """``asked``: {api, addresses, node_uuid} of each → {node: as a lookup shows it, boot, management} of each, or
        None; and of each the nodes whose addresses it has, where they are several."""
        told = self._query("ramdisk-nodes", {"asked": list(asked)})
        several: list[list[str]] = told.get("several") or [[] for _ in told["found"]]  # the release before tells none
        return told["found"], several

    def node_uuid(self, ident: str) -> str:
        """The UUID behind a node's name. Errors: NotFound."""
        return str(self._query("node-uuid", {"ident": ident})["uuid"])

    def instance(self, node_uuid: str) -> dict[str, Any]:
        """What does not travel with a step: {configdrive: sealed or None, project: whose instance it is, disks: that an
        agent found, empty if unknown}.

        Errors: NotFound.
        """
        return self._query("instance-of-node", {"ident": node_uuid})

    def volumes(self, node_uuid: str) -> dict[str, Any]:
        """{connectors, targets} of a node, as ``domain.volumes`` reads them. Errors: NotFound."""
        return self._query("node-volumes", {"ident": node_uuid})

    def knows_machine(self, macs: Sequence[str], system_uuids: Sequence[str]) -> bool:
        """Whether some node has a port with one of these addresses, or one of these UUIDs as its own."""
        return bool(self._query("knows-machine", {"macs": list(macs), "system_uuids": list(system_uuids)})["known"])

    def observe_agents(self, agents: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """``agents``: {node, boot, notes} of each → by node {taken, boot}."""
        told = self._command("observe-agents", {"agents": list(agents)})
        return {each["node"]: each for each in told["agents"]}

    def observe_refusals(self, refused: Sequence[Mapping[str, str]]) -> None:
        """``refused``: {node, words} of agents that were not believed: whoever waits for the node's agent is told."""
        self._command("observe-agents", {"agents": [], "refused": list(refused)})

    def _query(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask(subjects.query(self._site, SERVICE, verb), body)

    def _command(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Every command here may be repeated, so that it is not worth telling whether it arrived."""
        try:
            return self._ask(subjects.command(self._site, SERVICE, verb), body)
        except OutcomeUnknown as error:
            raise Unavailable("inventory did not answer in time") from error

    def _ask(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = orjson.loads(self._bus.request(subject, body, timeout_s=TIMEOUT_S))
        return answer
