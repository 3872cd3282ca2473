"""Fixtures for the tests of every package: see ``steelyard_common.testing.fixtures``."""

import signal

pytest_plugins = ["steelyard_common.testing.fixtures"]

# A shell starts what is to run in the background with interrupts ignored, and all that it starts ignores them, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
