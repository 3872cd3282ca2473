"""The rack as a process: open everything, say so, run until told to stop."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable

from aiohttp import web

from .control import check_loopback, control_app
from .plan import Plan
from .rack import Rack

_FILES_A_MACHINE = 4


def serve(plan: Plan, control: str, announce: Callable[[Rack, str], None], *, stop_with_stdin: bool = False) -> None:
    """Run the rack until SIGTERM, SIGINT or, if wished, the end of standard input. Raises OSError, ValueError.

    ``announce`` is called with the rack and the control API's URL once every port listens.
    """
    _allow_files(plan.machines)
    asyncio.run(_serve(plan, control, announce, stop_with_stdin=stop_with_stdin))


async def _serve(plan: Plan, control: str, announce: Callable[[Rack, str], None], *, stop_with_stdin: bool) -> None:
    host, _, port = control.rpartition(":")
    check_loopback(host)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    rack = Rack(plan)
    runner = web.AppRunner(control_app(rack), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, int(port))
        await site.start()
        await rack.open()
        # What was made so far stays for good: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        if stop_with_stdin:
            loop.add_reader(sys.stdin.fileno(), _read_stdin, stop)
        announce(rack, f"http://{host}:{runner.addresses[0][1]}")
        await stop.wait()
    finally:
        await rack.close()
        await runner.cleanup()


def _read_stdin(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _allow_files(machines: int) -> None:
    """A rack needs a few descriptors for each machine; take what we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 256 + machines * _FILES_A_MACHINE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
