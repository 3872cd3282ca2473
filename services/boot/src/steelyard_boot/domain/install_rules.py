"""How installers work: what an operator sets. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from .images import ImageRules


@dataclass(frozen=True, kw_only=True)
class InstallRules:
    """``api_urls``: the API as machines reach it; ``template``: of the kickstarts of nodes that name none; ``grace_s``:
    from an installer's word that it is done to the switch. ``is_insecure``: its heartbeats look at no certificate."""

    api_urls: tuple[str, ...] = ()
    template: str = ""
    is_insecure: bool = False
    grace_s: float = 30.0
    images: ImageRules = field(default_factory=ImageRules)
