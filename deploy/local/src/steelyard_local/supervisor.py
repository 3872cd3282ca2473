"""``steelyard up``: owns the data folder, brings the suite up, watches it, takes it down on SIGTERM or Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from steelyard_common.embedded.process import tail
from steelyard_common.errors import SteelyardError, Unavailable

from . import state as state_room
from .api import Api
from .checks import check_space
from .credentials import ADMIN, write_clouds
from .enrol import enrol, rack_nodes
from .sign_in import BY_TOKEN
from .state import ProcessId, State
from .status import probe
from .suite import SERVICES, Options, Suite, is_service

WATCH_EVERY_S = 0.2
READY_S = 90.0
ANNOUNCE = ("power", "boot", "inspector", "firmware", "console")  # services with workers
HOPELESS = 4  # a child that ended so often before the suite was ready will not come up
Job = Callable[[Suite, Api, threading.Event], int]


class Supervisor:
    """One suite on one data folder. The main thread starts and watches; another one waits, enrols and does the job."""

    def __init__(self, options: Options, *, job: Job | None = None, leave_after_job: bool = False) -> None:
        self._options, self._job, self._leave_after_job = options, job, leave_after_job
        self._state = State(url=options.url, auth=options.auth, supervisor=ProcessId.of(os.getpid()))
        self._stop = threading.Event()
        self._status = 0
        self._suite: Suite | None = None
        self._written = threading.Lock()

    def run(self) -> int:
        """Until told to stop. → exit status. Errors: Conflict when the folder is in use."""
        layout = self._options.layout
        layout.prepare()
        with state_room.lock(layout):
            self._clear_leftovers()
            check_space(layout)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._stop.set())
            try:
                self._supervise()
            except SteelyardError as error:
                self._fail(error.message)
            finally:
                self._take_down()
        return self._status

    def _supervise(self) -> None:
        self._suite = Suite(self._options, self._report)
        self._write("starting")
        self._suite.start(lambda: self._write("starting"))
        worker = threading.Thread(target=self._work, args=(self._suite,), name="work", daemon=True)
        worker.start()
        while not self._stop.wait(WATCH_EVERY_S):
            if self._suite.watch():
                self._write(self._state.phase)

    def _work(self, suite: Suite) -> None:
        """Beside the watching: wait for the API, enrol the rack, tell how to go on, do the job."""
        try:
            api = self._api(suite)
            self._wait_ready(api, suite)
            write_clouds(self._options.layout, self._options.url, self._options.auth, suite.credentials)
            if suite.rack and self._options.auth not in BY_TOKEN:
                self._enrol(api, suite.rack.control_port)
            self._tell()
            self._write("ready")
            if self._job is not None:
                self._status = self._job(suite, api, self._stop)
                if self._leave_after_job:
                    self._stop.set()
        except SteelyardError as error:
            self._fail(error.message)
        finally:
            if self._state.phase == "starting":  # a bug, whose traceback is printed; nobody may wait for it
                self._fail("of an error in the runner itself, shown above or in the log")

    def _api(self, suite: Suite) -> Api:
        if self._options.auth == "http_basic":
            return Api(url=self._options.url, user=ADMIN, password=suite.credentials.admin)
        return Api(url=self._options.url)

    def _wait_ready(self, api: Api, suite: Suite) -> None:
        """The API answers and every kind of worker has announced what it can: what is asked for next can be planned."""
        deadline = time.monotonic() + READY_S
        self._report("Waiting for the API …")
        reason = ""
        while not self._stop.is_set():
            try:
                reason = self._lacks(api, suite)
                if not reason:
                    return
            except SteelyardError as error:
                reason = error.message
            hopeless = any(child.restarts >= HOPELESS for child in suite.children)
            if hopeless or time.monotonic() > deadline:
                raise Unavailable(f"the API does not become ready: {reason}; {self._ill()}")
            self._stop.wait(0.1)
        raise Unavailable("stopped before the API was ready")

    def _lacks(self, api: Api, suite: Suite) -> str:
        """What is not ready yet; by tokens we cannot sign in, and what each service says of itself has to do."""
        if self._options.auth in BY_TOKEN:
            services = [child.state() for child in suite.children if is_service(child.name)]
            return "; ".join(f"{each.name} is {health}" for each in services if (health := probe(each)[0]) != "ready")
        missing = unheard_of(api.call("GET", "/v1/conductors", timeout_s=5)["conductors"])
        return f"nothing was heard of {', '.join(missing)}" if missing else ""

    def _ill(self) -> str:
        notes = [f"{child.name}: {child.note}" for child in (self._suite.children if self._suite else []) if child.note]
        logs = {name: self._options.layout.log(name) for name in SERVICES}
        last = [f"{name}: {tail(log, 1)}" for name, log in logs.items()]
        return f"{'; '.join(notes or last)}; the logs are in {self._options.layout.logs}"

    def _enrol(self, api: Api, control_port: int) -> None:
        deadline = time.monotonic() + READY_S
        while True:
            try:
                nodes = rack_nodes(control_port)
                break
            except Unavailable:
                if self._stop.wait(0.2) or time.monotonic() > deadline:
                    raise
        record = self._options.layout.rack / "enrolled.json"
        new = enrol(api, nodes, record, self._count)
        if new:
            self._report(f"{new} machines of the rack are enrolled as nodes.")

    def _count(self, done: int, total: int) -> None:
        if done % 100 == 0:
            self._report(f"Enrolled {done} of {total} machines …")

    def _tell(self) -> None:
        clouds = self._options.layout.clouds
        self._report(f"Steelyard is up: {self._options.url}/v1")
        self._report(f"  export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD=steelyard")
        self._report(f"  {beside('baremetal')} node list")
        self._report(f"  {beside('steelyard')} status --data {self._options.layout.root}")

    def _fail(self, reason: str) -> None:
        if self._stop.is_set() and self._state.phase == "stopping":
            return
        self._status = self._status or 1
        self._state.reason = reason
        self._write("failed")
        self._report(f"Steelyard could not start: {reason}")
        self._stop.set()

    def _take_down(self) -> None:
        failed = self._state.phase == "failed"
        if not failed:
            self._write("stopping")
        if self._suite is not None and self._suite.children:
            self._report("Stopping …")
            self._suite.stop()
        if failed:
            self._write("failed")
        else:
            self._options.layout.state.unlink(missing_ok=True)
        self._report("Stopped; nothing is left running.")

    def _clear_leftovers(self) -> None:
        before = state_room.read(self._options.layout.state)
        if before is not None and (found := state_room.clear_leftovers(before)):
            self._report(f"Cleared away what an earlier run left: {', '.join(found)}.")

    def _write(self, phase: str) -> None:
        with self._written:
            self._state.phase = phase
            self._state.children = [child.state() for child in (self._suite.children if self._suite else [])]
            try:
                self._state.write(self._options.layout.state)
            except OSError as error:  # a full disk must not take the suite down: it may be emptied
                self._report(f"{self._options.layout.state} cannot be written: {error.strerror}")

    def _report(self, line: str) -> None:
        print(line, flush=True)


def unheard_of(conductors: Sequence[Mapping[str, Any]]) -> list[str]:
    """Services with workers of which none is among these that is alive; those of an earlier run count, too."""
    told = {each["hostname"].partition("-")[0] for each in conductors if each["alive"]}
    return [name for name in ANNOUNCE if name not in told]


def beside(program: str) -> str:
    """How to call a program of this environment."""
    folder = os.path.dirname(sys.executable)
    return program if folder in os.environ.get("PATH", "").split(os.pathsep) else os.path.join(folder, program)
