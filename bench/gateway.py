"""CPU of the gateway alone, in this process: ``python -m bench.gateway [--requests 5000] [--profile NAME]``.

The other services are the bus twin's canned replies, so the figures hold WSGI, Flask, checks, sealing and the encoding
of the bus request; not gunicorn, NATS and the service behind (``bench.api`` has those).
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import pstats
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from steelyard_api_gateway.testing import Others, make_api
from steelyard_common.bus import MemoryBus

LIST_OF_THOUSAND = b'{"nodes":[' + b",".join([b'{"uuid":"8ac951e5-0800-43ec-be85-0af36c7d306c"}'] * 1000) + b"]}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of request. ``limit_ms``: what it may cost here, a share of the whole request's budget."""

    name: str
    method: str
    path: str
    limit_ms: float
    body: Any = None
    query: str = ""


FILTERED = "driver=ipmi&limit=5&fields=uuid,name"
CASES = [
    Case(name="GET /v1", method="GET", path="/v1", limit_ms=0.1),
    Case(name="one node", method="GET", path="/v1/nodes/n1", limit_ms=0.4),
    Case(name="list", method="GET", path="/v1/nodes", limit_ms=0.5),
    Case(
        name="list, filters", method="GET", path="/v1/nodes", query="driver=ipmi&limit=5&fields=uuid,name", limit_ms=0.5
    ),
    Case(name="power", method="PUT", path="/v1/nodes/n1/states/power", body={"target": "power on"}, limit_ms=0.5),
    Case(
        name="create node",
        method="POST",
        path="/v1/nodes",
        body={"driver": "ipmi", "name": "n1", "driver_info": {"ipmi_address": "192.0.2.1", "ipmi_password": "x"}},
        limit_ms=0.8,
    ),
    Case(
        name="patch node",
        method="PATCH",
        path="/v1/nodes/n1",
        body=[{"op": "add", "path": "/extra/rack", "value": 7}],
        limit_ms=0.6,
    ),
]


def requester(case: Case) -> Callable[[], None]:
    """A function that makes the request once against a gateway of its own."""
    bus = MemoryBus()
    others = Others(bus)
    others.replies["qry.nodes"] = LIST_OF_THOUSAND
    others.serve()
    app = make_api(bus).client.application
    body = b"" if case.body is None else orjson.dumps(case.body)
    fixed = {
        "REQUEST_METHOD": case.method,
        "QUERY_STRING": case.query,
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "HTTP_X_OPENSTACK_IRONIC_API_VERSION": "1.115",
        "HTTP_HOST": "127.0.0.1:6385",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "6385",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SCRIPT_NAME": "",
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
    }

    def ask() -> None:
        answer: list[str] = []

        def start_response(status: str, _headers: object, _exc_info: object = None) -> Callable[[bytes], object]:
            answer.append(status)
            return answer.append  # type: ignore[return-value]

        environ = {**fixed, "PATH_INFO": case.path, "wsgi.input": io.BytesIO(body)}
        b"".join(app(environ, start_response))
        others.asked.clear()
        if not answer[0].startswith("2"):
            raise SystemExit(f"{case.name}: {answer[0]}")

    return ask


def measure(case: Case, requests: int) -> float:
    """Milliseconds of CPU a request: the best of three rounds, because other work on the machine only adds."""
    ask = requester(case)
    for _ in range(requests // 10 + 1):
        ask()
    rounds = []
    for _ in range(3):
        begun = time.process_time()
        for _ in range(requests):
            ask()
        rounds.append((time.process_time() - begun) / requests * 1000)
    return min(rounds)


def profile(name: str, requests: int) -> None:
    ask = requester(next(case for case in CASES if case.name == name))
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(requests):
        ask()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(35)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--profile", metavar="NAME", help=f"one of: {', '.join(case.name for case in CASES)}")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    if options.profile:
        profile(options.profile, options.requests)
        return 0
    figures = {case.name: measure(case, options.requests) for case in CASES}
    for case in CASES:
        mark = "" if figures[case.name] <= case.limit_ms else "  over"
        print(f"{case.name:16} {figures[case.name]:7.3f} ms   (≤ {case.limit_ms}){mark}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({name: round(value, 4) for name, value in figures.items()}, file, indent=2)
    return 0 if all(figures[case.name] <= case.limit_ms for case in CASES) else 1


if __name__ == "__main__":
    raise SystemExit(main())
