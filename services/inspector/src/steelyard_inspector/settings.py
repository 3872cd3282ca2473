"""What inspector reads from its environment, once, at the start."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard_common.provider import ProviderSettings


@dataclass(frozen=True, kw_only=True)
class Settings(ProviderSettings):
    """What every step provider reads; inspector has no setting of its own yet."""
