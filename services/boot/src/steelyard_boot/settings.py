"""What boot reads from its environment, once, at the start."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard_common.provider import ProviderSettings
from steelyard_common.settings import DatabaseSettings, SealSettings


@dataclass(frozen=True, kw_only=True)
class Settings(DatabaseSettings, SealSettings, ProviderSettings):
    """All of it; times in seconds."""
