"""What tests of every package share: real servers, a clock that is set, waiting with a deadline."""

from .clock import SetClock
from .wait import eventually

__all__ = ["SetClock", "eventually"]
