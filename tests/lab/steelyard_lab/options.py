"""What the lab's outer half tells its inner half."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Options:
    """``only``: names of machines, none = all. ``built``: what agent.built wrote. ``stays``: no scenario is played, the
    stage stays up till somebody ends it. ``records``: the page of docs/reference is to be written."""

    api_url: str = ""
    only: tuple[str, ...] = ()
    at_once: int = 2
    built: str = ""
    stays: bool = False
    records: bool = False

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only

    def as_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Options:
        told = json.loads(text)
        return cls(**{**told, "only": tuple(told["only"])})
