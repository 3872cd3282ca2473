"""Tells inventory every few seconds who this worker is and what it can do: it makes conductors and drivers of that."""

from __future__ import annotations

import threading
from typing import Any

from ..bus.types import Bus
from ..contracts import subjects
from ..contracts.catalogue import Offer
from ..errors import SteelyardError
from ..telemetry import get_logger
from . import metrics

log = get_logger(__name__)
EVERY_S = 10.0
AGAIN_S = 2.0  # when inventory was away
TIMEOUT_S = 5.0
INVENTORY = "inventory"


class Announcer:
    """``start``, and ``stop`` with a last word: offline."""

    def __init__(self, bus: Bus, offer: Offer, *, site: str, instance: str, conductor_group: str, version: str) -> None:
        self._bus = bus
        self._subject = subjects.command(site, INVENTORY, "announce")
        self._word = offer.to_dict() | {"instance": instance, "conductor_group": conductor_group, "version": version}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="announce", daemon=True)

    def word(self, *, online: bool) -> dict[str, Any]:
        return self._word | {"online": online}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(EVERY_S)
        self.say(online=False)

    def say(self, *, online: bool) -> bool:
        """True when inventory has heard it."""
        try:
            self._bus.request(self._subject, self.word(online=online), timeout_s=TIMEOUT_S)
        except SteelyardError as error:
            metrics.ANNOUNCEMENTS.labels("unheard").inc()
            log.warning("announcement was not heard", reason=error.message)
            return False
        metrics.ANNOUNCEMENTS.labels("heard").inc()
        return True

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S if self.say(online=True) else AGAIN_S):
            pass
