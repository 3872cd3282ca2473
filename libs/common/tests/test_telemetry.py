"""Logs without secrets, traces across the bus, and nothing at all when telemetry is off."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import orjson
import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from steelyard_common import telemetry
from steelyard_common.bus import Endpoint, MemoryBus, Message, Request
from steelyard_common.db import Transaction


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the process logs, as text."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    telemetry.configure_logging("demo", "info")
    stream = io.StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers[:], root.level = before, level


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    telemetry.configure_exporter("demo", SimpleSpanProcessor(exporter))
    yield exporter
    telemetry.shutdown()


def test_an_event_is_one_line_with_its_fields(lines: io.StringIO) -> None:
    telemetry.get_logger("demo.nodes").info("node created", node="n1", tries=2)

    line = orjson.loads(lines.getvalue())
    assert (line["event"], line["node"], line["tries"]) == ("node created", "n1", 2)
    assert (line["level"], line["service"], line["logger"]) == ("info", "demo", "demo.nodes")
    assert line["time"].endswith("Z")


def test_fields_with_a_secrets_name_are_masked_at_any_depth(lines: io.StringIO) -> None:
    fields = {
        "driver_info": {"redfish_password": "hunter2", "list": [{"api_token": "hunter2"}]},
        "sealed": "sealed:k:abc",
    }

    telemetry.get_logger("demo").warning("asked", **fields)

    assert "hunter2" not in lines.getvalue()
    assert "abc" not in lines.getvalue()
    assert orjson.loads(lines.getvalue())["driver_info"]["redfish_password"] == "******"


def test_a_field_that_is_no_json_does_not_break_the_log(lines: io.StringIO) -> None:
    telemetry.get_logger("demo").info("odd", what=object(), when={1: b"x"})

    assert orjson.loads(lines.getvalue())["what"].startswith("<object")


def test_an_exception_is_logged_with_its_traceback(lines: io.StringIO) -> None:
    try:
        raise ArithmeticError("broken")
    except ArithmeticError:
        telemetry.get_logger("demo").exception("failed")

    assert "ArithmeticError: broken" in orjson.loads(lines.getvalue())["exception"]


def test_a_trace_goes_on_behind_the_bus(spans: InMemorySpanExporter) -> None:
    bus = MemoryBus()
    seen: list[str] = []

    def handler(request: Request) -> None:
        seen.append(request.headers["traceparent"])

    bus.serve("demo", [Endpoint(subject="local.demo.qry.x", handler=handler)])
    with telemetry.span("GET /v1/nodes", password="hunter2"):
        bus.request("local.demo.qry.x", {}, timeout_s=1)

    inner, outer = spans.get_finished_spans()
    assert (inner.name, outer.name) == ("local.demo.qry.x", "GET /v1/nodes")
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert seen[0].split("-")[1] == f"{outer.context.trace_id:032x}"
    assert outer.attributes == {"password": "******"}


def test_a_message_carries_the_trace_it_was_emitted_in(spans: InMemorySpanExporter) -> None:
    message = Message(subject="local.power.evt.x.y", body=b"{}", msg_id="1", headers={"a": "b"})
    transaction = Transaction(sa.create_mock_engine("postgresql+psycopg://", print))  # type: ignore[arg-type]

    with telemetry.span("work"):
        transaction.emit(message)

    trace_id = f"{spans.get_finished_spans()[0].context.trace_id:032x}"
    assert transaction.messages[0].headers["traceparent"].split("-")[1] == trace_id
    assert message.headers == {"a": "b"}


def test_logs_name_the_trace_they_belong_to(spans: InMemorySpanExporter, lines: io.StringIO) -> None:
    with telemetry.span("work"):
        telemetry.get_logger("demo").info("inside")

    assert orjson.loads(lines.getvalue())["trace_id"] == f"{spans.get_finished_spans()[0].context.trace_id:032x}"


def test_telemetry_that_is_off_is_not_even_loaded() -> None:
    script = (
        "import sys; from steelyard_common import bus, db, runner, telemetry\n"
        "telemetry.configure('demo', '')\n"
        "with telemetry.span('x'): telemetry.inject({})\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
