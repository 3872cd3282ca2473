"""IPMI 2.0, through pyghmi: ``IpmiConnection`` is what the pool keeps of a BMC, ``IpmiDriver`` what a caller gets.

``session`` is the protocol with a socket and a deadline of its own · ``connection`` signs in and keeps the session ·
``driver`` and ``sensors`` keep the promises of ``steelyard_common.bmc``.
"""

from .connection import IpmiConnection
from .driver import IpmiDriver

__all__ = ["IpmiConnection", "IpmiDriver"]
