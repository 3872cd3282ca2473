"""Starts what was loaded, once and a moment later: who asked is to get an answer first."""

from __future__ import annotations

import logging
import threading

from steelyard_agent.entry import CannotStart
from steelyard_agent.loading import is_loaded
from steelyard_agent.mounting import run

LOG = logging.getLogger(__name__)
DELAY_S = 1.0


class Start:
    """Of one ramdisk's life."""

    def __init__(self, delay_s: float = DELAY_S) -> None:
        self._timer = threading.Timer(delay_s, _start)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._is_asked = False

    def ask(self) -> None:
        """Asked again, the same start. Errors: CannotStart, if nothing is loaded."""
        with self._lock:
            if self._is_asked:
                return
            if not is_loaded():
                raise CannotStart("no instance is loaded: run the deploy step kexec_instance first")
            self._is_asked = True
            self._timer.start()

    def wait(self, timeout_s: float) -> None:
        """Until it was done, or could not be."""
        self._timer.join(timeout_s)


def _start() -> None:
    """``kexec --exec`` writes out what is cached and takes the network down itself, and does not come back.

    If it does, the firmware starts the instance as it would have without all this.
    """
    try:
        run("kexec", "--exec")
        LOG.error("kexec came back without an error")
    except CannotStart as error:
        LOG.error("the instance cannot be started by kexec: %s", error)
    try:
        run("reboot", "-f")
    except CannotStart as error:
        LOG.error("nor can this machine be rebooted: %s", error)
