"""Installations by an installer of their own (deploy interface ``anaconda``): brought up with a kickstart, watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steelyard_common.contracts.steps import Again, Done, Failed, StepResult, Wait
from steelyard_common.errors import DeviceRefused, InvalidRequest, Unsupported
from steelyard_common.provider import Slice
from steelyard_common.secrets import Sealer

from ..domain import installer as told_by
from ..domain import kickstart
from ..domain.artifacts import Artifact, Wish
from ..domain.boot_model import Purpose
from ..domain.images import LOCAL
from ..domain.install_rules import InstallRules
from ..domain.installer import Installer, image_url
from ..domain.kickstart import Options
from ..domain.kickstart_drive import sections
from ..domain.node_for_boot import BootOf, NodeForBoot
from .agents import Agents
from .artifacts import saying_which
from .drive_files import DriveFiles
from .instance_parts import InstanceParts
from .kickstarts import Kickstarts
from .ramdisks import Boots, Ramdisks
from .small_files import SmallFiles

IMAGE = "image"
ENDED, LOOKED = "ended", "looked"


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Who does what an installation needs."""

    agents: Agents
    ramdisks: Ramdisks
    boots: Boots
    parts: InstanceParts
    kickstarts: Kickstarts
    files: SmallFiles
    drives: DriveFiles
    sealer: Sealer


class Installing:
    """Step functions: each may be run again."""

    def __init__(self, tools: Tools, rules: InstallRules) -> None:
        self._by, self._rules = tools, rules

    def prepare(self, piece: Slice) -> StepResult:
        """The installer and what it is to install are here, its kickstart is served, the machine will boot it.

        Errors: InvalidRequest, Unsupported, and those of a fetch.
        """
        node = NodeForBoot.from_view(piece.node)
        if not node.by_network:
            raise Unsupported(
                f"an installer is not booted by the boot interface '{node.interface}': use 'ipxe', 'http-ipxe', 'pxe' "
                "or 'http'"
            )
        told = told_by.installer(piece.node, self._rules.images)
        template = None
        if not piece.step.memo.get(LOOKED):  # before anything large is fetched
            template = self._template(told)
            kickstart.render(template, self._options(piece, told, {}, "stand-in", ""))
        found = self._by.ramdisks.fetched(piece, self._wishes(piece, told), f"node:{node.uuid}:ramdisk", told.names)
        if isinstance(found, Again):
            return Again(after_s=found.after_s, memo={LOOKED: True}, progress=found.progress)
        self._bring(piece, node, told, template or self._template(told), found)
        return Done()

    def watch(self, piece: Slice) -> StepResult:
        """It says how it is: start, end, error. Once it is done the machine boots its disk, whoever starts it."""
        if piece.step.memo.get(ENDED):
            self._by.ramdisks.take_away(piece, whole=True)
            return Done()
        session = self._by.agents.session(piece.node["uuid"])
        status, words = (session.status, session.status_message) if session is not None else (None, None)
        if status == "end":
            self._by.ramdisks.local(piece)
            text = f"the installer is done; it has {self._rules.grace_s:.0f} s to leave the disk"
            return Again(after_s=self._rules.grace_s, memo={ENDED: True}, progress=text)
        if status == "error":
            return Failed(error=DeviceRefused(f"the installer failed: {words or 'it gives no reason'}"))
        text = f"the installer is at work: {words or status}" if status else "the installer was not heard of"
        return Wait(signal="heartbeat", progress=text)

    # ---- inside

    def _template(self, told: Installer) -> str:
        if told.template is None:
            return self._rules.template
        with saying_which(told.names[told_by.TEMPLATE]):
            content = self._by.files.read(told.template, kickstart.MOST_TEMPLATE)
            try:
                return content.decode()
            except UnicodeDecodeError as error:
                raise InvalidRequest("a kickstart template is text in UTF-8") from error

    def _wishes(self, piece: Slice, told: Installer) -> dict[str, Wish]:
        wishes = dict(told.wishes)
        if told.image is not None and told.image.by == LOCAL:
            wishes[IMAGE] = self._by.parts.wish(piece, told.image, to_raw=False)
        return wishes

    def _options(
        self, piece: Slice, told: Installer, found: Mapping[str, Artifact], token: str, drive: str
    ) -> Options:  # fmt: skip
        if not self._rules.api_urls:
            raise InvalidRequest(
                "the installer cannot be told where the API is: set STEELYARD_AGENT_API_URL of the boot service to the "
                "API's address as machines reach it"
            )
        is_here = told.image is None or told.image.by != LOCAL or IMAGE in found
        url, sha256 = (told.tree, "") if told.image is None else ("http://stand-in/", "")
        if told.image is not None and is_here:
            url, sha256 = image_url(told.image, found.get(IMAGE))
        return Options(
            liveimg_url=url, agent_token=token,
            heartbeats=tuple(f"{url}/v1/heartbeat/{piece.node['uuid']}" for url in self._rules.api_urls),
            config_drive=drive, is_source_a_path=told.image is None, insecure_heartbeat=self._rules.is_insecure,
            liveimg_checksum=sha256, root_disk=told.root_disk,
        )  # fmt: skip

    def _bring(
        self, piece: Slice, node: NodeForBoot, told: Installer, template: str, found: Mapping[str, Artifact]
    ) -> None:  # fmt: skip
        token = self._by.agents.sealed_token()
        drive = sections(self._by.drives.of(piece))
        text = kickstart.render(template, self._options(piece, told, found, self._by.sealer.open(token), drive))
        stage2 = found.get("stage2")
        folder = self._by.kickstarts.keep(node.uuid, text, stage2.key if stage2 else None)
        arguments = [f"inst.ks={folder}/ks.cfg", "inst.ks.sendmac"]
        arguments += [f"inst.repo={told.tree}"] if told.tree else []
        arguments += [f"inst.stage2={folder}"] if stage2 else []
        what = BootOf(
            purpose=Purpose.INSTALL, arguments=tuple(arguments), kernel=found["kernel"], ramdisk=found["ramdisk"]
        )
        self._by.boots.prepare(node, what)
        self._by.agents.expect(node.uuid, token)
