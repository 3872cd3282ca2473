"""Redfish, through sushy: ``RedfishConnection`` is what the pool keeps of a BMC, ``RedfishDriver`` what a caller gets.

``wire`` sends bytes and knows what was sent · ``connector`` is one request with a deadline · ``errors`` turns foreign
errors into ours · ``connection`` signs in and keeps System objects · ``driver``, ``boot``, ``lamps`` and ``observe``
keep the promises of ``steelyard_common.bmc``.
"""

from .connection import RedfishConnection
from .driver import RedfishDriver

__all__ = ["RedfishConnection", "RedfishDriver"]
