"""Python's log records as OTLP log records, and a console that stays as it was."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.context import get_value
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from received import Log, logs

from bento_observe import _logging, semconv, settings, wire
from bento_observe._identity import identity
from bento_observe.telemetry import Health, SignalQueue, Telemetry
from bento_observe.telemetry._identifiers import OsIdGenerator
from bento_observe.telemetry._logs import LogSource, OtlpHandler


class Records:
    """A handler and what it was given, as a sink would read it."""

    def __init__(self, level: int = logging.INFO) -> None:
        self.health = Health()
        self._queue = SignalQueue("logs", 1 << 24, self.health)
        self._source = LogSource(self._queue, self.health)
        self.handler = OtlpHandler(self._source, level)

    def read(self) -> list[Log]:
        while self._source.step():
            pass
        self._queue.close()
        found: list[Log] = []
        while (batch := self._queue.take(1 << 24, 0.0)) is not None:
            request = wire.message(b"\x0a", b"".join(batch.chunks))
            found.extend(logs(ExportLogsServiceRequest.FromString(request)))
        return found


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def logger(records: Records) -> logging.Logger:
    """A logger that has the handler alone."""
    made = logging.Logger("shop.pricing", logging.DEBUG)
    made.addHandler(records.handler)
    return made


def test_a_record_keeps_what_it_says_and_where_it_came_from(records: Records, logger: logging.Logger) -> None:
    """Text with its arguments, severity, logger, code location and extras; no trace outside of one."""
    logger.warning("%d of %s", 3, "them", extra={"item": 7, "levelname_bracketed": "[WARNING]"})
    (log,) = records.read()

    assert (log.body, log.severity, log.severity_text, log.scope) == ("3 of them", 13, "WARNING", "shop.pricing")
    assert log.attributes["item"] == 7
    assert log.attributes["code.function.name"].startswith("test_a_record_keeps")
    assert log.attributes["code.file.path"] == __file__
    assert "levelname_bracketed" not in log.attributes
    assert (log.trace_id, log.span_id) == ("", "")


def test_levels_are_severities(records: Records) -> None:
    """OTLP's numbers for Python's levels and for those between."""
    logger = logging.Logger("levels", 1)
    handler = OtlpHandler(records.handler._source, 1)
    logger.addHandler(handler)
    for level in (1, 10, 15, 20, 25, 30, 40, 50, 99):
        logger.log(level, "a line")

    assert [log.severity for log in records.read()] == [1, 5, 7, 9, 11, 13, 17, 21, 21]


def test_a_record_is_taken_as_it_is_now(records: Records, logger: logging.Logger) -> None:
    """Arguments that change later, and a span that ends later, do not change it."""
    items = ["one"]
    span = trace.NonRecordingSpan(
        trace.SpanContext(OsIdGenerator().generate_trace_id(), 5, is_remote=False, trace_flags=trace.TraceFlags(1))
    )
    with trace.use_span(span):
        logger.info("items: %s", items)
    items.append("two")
    (log,) = records.read()

    assert log.body == "items: ['one']"
    assert (int(log.trace_id, 16), int(log.span_id, 16)) == (span.get_span_context().trace_id, 5)


def test_an_exception_is_told_with_its_stack(records: Records, logger: logging.Logger) -> None:
    """And a very long one is cut."""
    for message in ("no such thing", "x" * 100_000):
        try:
            raise LookupError(message)
        except LookupError:
            logger.exception("failed")
    first, second = records.read()

    assert first.attributes["exception.type"] == "LookupError"
    assert first.attributes["exception.message"] == "no such thing"
    assert "test_core_logging" in first.attributes["exception.stacktrace"]
    assert len(second.attributes["exception.message"]) + len(second.attributes["exception.stacktrace"]) < 20_000


class _Rude:
    def __str__(self) -> str:
        raise RuntimeError("not telling")


def test_a_record_that_cannot_be_told_harms_nobody(records: Records, logger: logging.Logger) -> None:
    """Wrong arguments, an object that raises: counted as an error of ours, not raised at the caller."""
    logger.info("%d", "not a number")
    logger.info("%s", _Rude())
    logger.info("fine")

    assert [log.body for log in records.read()] == ["fine"]
    assert records.health.total(semconv.ERRORS) == 2


def test_records_beyond_the_limit_are_dropped_and_counted(records: Records, logger: logging.Logger) -> None:
    """20,000 may wait for the encoder thread."""
    for _ in range(20_010):
        logger.info("again")

    assert len(records.read()) == 20_000
    assert records.health.counts()[semconv.DROPPED] == {("logs", "pending_full"): 10}


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """Logging as BentoML sets it up: the root logger and BentoML's write from WARNING and INFO on, to one handler."""
    root, bentoml, uvicorn = logging.getLogger(), logging.getLogger("bentoml"), logging.getLogger("uvicorn.access")
    saved = [(logger, logger.level, logger.handlers[:], logger.propagate) for logger in (root, bentoml, uvicorn)]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root.handlers[:], bentoml.handlers[:] = [handler], [handler]
    root.setLevel(logging.WARNING)
    bentoml.setLevel(logging.INFO)
    bentoml.propagate = False
    uvicorn.setLevel(logging.NOTSET)
    uvicorn.handlers[:], uvicorn.propagate = [], True
    yield stream
    for logger, level, handlers, propagate in saved:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate


def _say_everything() -> None:
    chatty = logging.getLogger("test_core_logging.chatty")
    chatty.setLevel(logging.DEBUG)
    for name in ("test_core_logging.user", chatty.name, "bentoml.test_core", "uvicorn.access"):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger(name).log(level, "%s at %d", name, level)


def test_the_console_shows_what_it_showed_before(console: io.StringIO, records: Records) -> None:
    """Line by line, also of loggers with a level of their own; and what is sent begins at INFO."""
    _say_everything()
    before = console.getvalue()
    _logging.attach(records.handler)
    _say_everything()

    assert console.getvalue() == before * 2
    sent = [log.body for log in records.read()]
    assert sent == [
        *(f"test_core_logging.user at {level}" for level in (20, 30)),
        *(f"test_core_logging.chatty at {level}" for level in (20, 30)),
        *(f"bentoml.test_core at {level}" for level in (20, 30)),
        "uvicorn.access at 30",
    ]


def test_hooking_in_twice_sends_nothing_twice(console: io.StringIO, records: Records) -> None:
    """It is done again after start-up, for logging that was configured anew meanwhile."""
    _logging.attach(records.handler)
    _logging.attach(records.handler)
    logging.getLogger("test_core_logging.user").warning("once")
    logging.getLogger("bentoml.test_core").warning("once more")

    assert [log.body for log in records.read()] == ["once", "once more"]
    assert console.getvalue() == "once\nonce more\n"


def test_a_thread_that_shut_telemetry_down_is_heard_again(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept out while it sends what is left, and is the user's own afterwards."""
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    logger = logging.Logger("after", logging.INFO)
    logger.addHandler(records.handler)
    telemetry = Telemetry(settings.from_environment(), identity("test"))
    telemetry.start(install=False)
    telemetry.shutdown()
    logger.info("still here")

    assert [log.body for log in records.read()] == ["still here"]
    assert get_value("suppress_instrumentation") is None
