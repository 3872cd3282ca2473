"""Logs as JSON lines and OpenTelemetry traces that follow a request over NATS headers (architecture §9).

Off (no endpoint) nothing of OpenTelemetry is even imported: ``span`` and ``inject`` cost a comparison.
A field whose name is a secret's name is masked, at any depth; a message text must not hold one.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from .secrets import MASK, PREFIX, SECRET_NAME

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _State:
    tracer: Tracer | None = None
    service = "steelyard"
    shutdown: Any = None


def masked(value: Any) -> Any:
    """``value`` with everything under a secret's name, and every sealed token, replaced by ``******``."""
    if isinstance(value, Mapping):
        return {
            str(key): MASK if SECRET_NAME.search(str(key)) and item else masked(item) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    if isinstance(value, str) and value.startswith(PREFIX):
        return MASK
    return value


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "service": _State.service,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update(masked(getattr(record, "fields", {})))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if trace_id := current_trace_id():
            line["trace_id"] = trace_id
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class Logger:
    """``log.info("node created", node=uuid)``: an event and its fields, one JSON line."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: Any) -> None:
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._log(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """As ``error``, with the traceback of the exception that is being handled."""
        self._log(logging.ERROR, event, fields, exc_info=True)

    def _log(self, level: int, event: str, fields: dict[str, Any], *, exc_info: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, extra={"fields": fields}, exc_info=exc_info)


def get_logger(name: str) -> Logger:
    return Logger(name)


def configure_logging(service: str, level: str = "info") -> None:
    """JSON lines on stderr for the whole process; repeated calls replace the earlier set-up."""
    _State.service = service
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS.get(level.lower(), logging.INFO))
    # Their info lines tell of every request and retry: ours say it once.
    for noisy in ("nats", "alembic", "urllib3", "sushy", "werkzeug", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def configure(service: str, endpoint: str, *, sample: float = 0.1) -> None:
    """Send traces by OTLP/HTTP to ``endpoint`` (``http://host:4318``); an empty endpoint leaves telemetry off."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    configure_exporter(service, BatchSpanProcessor(exporter), sample=sample)


def configure_exporter(service: str, processor: Any, *, sample: float = 1.0) -> None:
    """Switch tracing on with a span processor of the caller's (tests keep spans in memory)."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"steelyard-{service}"}), sampler=ParentBasedTraceIdRatio(sample)
    )
    provider.add_span_processor(processor)
    _State.tracer = provider.get_tracer("steelyard")
    _State.shutdown = provider.shutdown


def shutdown() -> None:
    """Flush what was not yet sent and switch tracing off."""
    stop, _State.shutdown, _State.tracer = _State.shutdown, None, None
    if stop is not None:
        stop()


def is_on() -> bool:
    return _State.tracer is not None


def current_trace_id() -> str:
    if _State.tracer is None:
        return ""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


@contextmanager
def span(name: str, *, headers: Mapping[str, str] | None = None, **attributes: Any) -> Iterator[None]:
    """A span around a piece of work; ``headers`` of a message or request make it a child of the sender's."""
    tracer = _State.tracer
    if tracer is None:
        yield
        return
    context = None
    if headers:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {key.lower(): value for key, value in headers.items()}
        context = TraceContextTextMapPropagator().extract(carrier)
    with tracer.start_as_current_span(name, context=context, attributes=masked(attributes)):
        yield


def inject(headers: MutableMapping[str, str]) -> None:
    """Put the current trace's ``traceparent`` into headers that leave this process; nothing when off."""
    if _State.tracer is None:
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    TraceContextTextMapPropagator().inject(headers)
