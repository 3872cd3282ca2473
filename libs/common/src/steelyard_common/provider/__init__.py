"""The kit for step providers: message → slices → result, the announcement, and a service around both.

A service brings an ``Offer`` (what it announces) and a function for each of its steps; ``service_spec`` does the rest.
One that does more (power) calls ``provide`` in its own ``start``.
"""

from .announcing import Announcer
from .slices import Clock, Functions, Slice, StepFunction
from .starting import ProviderSettings, provide, service_spec
from .stepping import StepProvider, consume

__all__ = [
    "Announcer", "Clock", "Functions", "ProviderSettings", "Slice", "StepFunction", "StepProvider", "consume",
    "provide", "service_spec",
]  # fmt: skip
