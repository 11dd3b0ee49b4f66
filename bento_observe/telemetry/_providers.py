"""The OpenTelemetry SDK's providers for the user's own spans, metrics and log events, feeding our queues."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterable
from typing import Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA, ScopeMetrics
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader, MetricsData
from opentelemetry.sdk.metrics.view import DropAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler

from bento_observe import wire
from bento_observe.telemetry._health import Health
from bento_observe.telemetry._identifiers import OsIdGenerator
from bento_observe.telemetry._pipeline import Pipeline
from bento_observe.telemetry._queue import SignalQueue

__all__ = ["Providers"]

_CALLBACK_SECONDS = 1.0
# OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE -> the instruments that it makes delta
_DELTA: dict[str, tuple[type, ...]] = {
    "cumulative": (),
    "delta": (sdk_metrics.Counter, sdk_metrics.Histogram, sdk_metrics.ObservableCounter),
    "lowmemory": (sdk_metrics.Counter, sdk_metrics.Histogram),
}
# Instrumentations of what may be mounted in a service: requests to that have been counted already.
_SERVERS = "opentelemetry.instrumentation"
_PENDING_LIMIT = 20_000
_STEP = 16

logger = logging.getLogger("bento_observe")

_made: weakref.WeakSet[Providers] = weakref.WeakSet()
"""All that were installed in this process."""


class Providers:
    """SDK providers of one process. `install` makes them the global ones where nobody else has set any, or does later.

    Requests are counted by `bento_observe.request`, not a second time by an instrumentation of a mounted application.
    """

    def __init__(self, resource: Resource, sampler: Sampler, temporality: str) -> None:
        self.tracer_provider = TracerProvider(
            sampler=sampler, resource=resource, id_generator=OsIdGenerator(), shutdown_on_exit=False
        )
        self._reader = _Reader(temporality)
        self.meter_provider = MeterProvider(
            metric_readers=[self._reader],
            resource=resource,
            shutdown_on_exit=False,
            views=[
                View(meter_name=f"{_SERVERS}.{kind}", instrument_name="http.server.*", aggregation=DropAggregation())
                for kind in ("asgi", "fastapi", "starlette", "wsgi", "flask")
            ],
        )
        self.logger_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)

    def connect(self, pipeline: Pipeline, traces: SignalQueue | None, logs: SignalQueue | None, health: Health) -> None:
        """Have everything recorded through the providers sent."""
        if traces is not None:
            spans = _SpanSource(traces, health)
            self.tracer_provider.add_span_processor(spans)
            pipeline.add(source=spans)
        if logs is not None:
            records = _LogRecordSource(logs, health)
            self.logger_provider.add_log_record_processor(records)
            pipeline.add(source=records)
        pipeline.add(producer=self._reader.produce)

    def install(self) -> None:
        """Make the providers global. What an application has set stays, and it may still set its own."""
        _made.add(self)
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(self.tracer_provider)
            let_set_again(trace, "_TRACER_PROVIDER_SET_ONCE")
        if not isinstance(metrics.get_meter_provider(), MeterProvider):
            metrics.set_meter_provider(self.meter_provider)
            let_set_again(metrics._internal, "_METER_PROVIDER_SET_ONCE")
        if not isinstance(_logs.get_logger_provider(), LoggerProvider):
            _logs.set_logger_provider(self.logger_provider)

    def enter_child(self) -> None:
        """In a forked child: what the application flushes there is nobody's."""
        self._reader.close()

    def others(self) -> list[str]:
        """Of which signals somebody else has set the global provider."""
        own = {
            "traces": (trace.get_tracer_provider(), self.tracer_provider),
            "metrics": (metrics.get_meter_provider(), self.meter_provider),
            "logs": (_logs.get_logger_provider(), self.logger_provider),
        }
        made = [provider for providers in _made for provider in vars(providers).values()]
        return [
            signal
            for signal, (there, ours) in own.items()
            if there is not ours and not any(there is one for one in made)
        ]

    def shared(self) -> bool:
        """Whether the global tracer provider is that of another service observed in this process."""
        there = trace.get_tracer_provider()
        return any(there is providers.tracer_provider for providers in _made if providers is not self)


def let_set_again(module: Any, once: str) -> None:
    """Have a global provider that is set already be set again, as if it were the default.

    An application that sets its own when it starts, after us, would only get a warning from OpenTelemetry, and its
    spans would not go where it says.
    """
    try:
        # A new one of its kind.
        setattr(module, once, type(getattr(module, once))())
    except Exception:
        logger.debug("bento_observe: a provider that the application sets later will not be used", exc_info=True)


class _Pending:
    """A bounded pile of SDK records that is encoded step by step."""

    signal = ""

    def __init__(self, queue: SignalQueue, health: Health) -> None:
        self._queue = queue
        self._health = health
        self._pending: list[Any] = []
        self._closed = False

    def _keep(self, item: Any) -> None:
        if self._closed:
            return
        if len(self._pending) < _PENDING_LIMIT:
            self._pending.append(item)
        else:
            self._health.dropped(self.signal, "pending_full", 1)

    def step(self) -> bool:
        """Encode some of what waits; whether there is more."""
        taken = self._pending[:_STEP]
        del self._pending[: len(taken)]
        if taken:
            try:
                for scope in self._encode(taken):
                    self._queue.put(wire.message(b"\x12", scope.SerializeToString()), self._count(scope))
            except Exception:  # noqa: BLE001 - an attribute of the user's that cannot be encoded
                self._health.error(type(self).__name__)
                self._health.dropped(self.signal, "error", len(taken))
        return bool(self._pending)

    def give_up(self) -> None:
        """Count what waits as dropped."""
        self._health.dropped(self.signal, "shutdown", len(self._pending))

    def close(self) -> None:
        """Keep nothing more."""
        self._closed = True

    def _encode(self, taken: list[Any]) -> Iterable[Any]:
        raise NotImplementedError

    def _count(self, scope: Any) -> int:
        raise NotImplementedError


class _SpanSource(_Pending, SpanProcessor):
    signal = "traces"

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        if context is not None and context.trace_flags.sampled:
            self._keep(span)

    def _encode(self, taken: list[Any]) -> Iterable[Any]:
        return [scope for resource in encode_spans(taken).resource_spans for scope in resource.scope_spans]

    def _count(self, scope: Any) -> int:
        return len(scope.spans)


class _LogRecordSource(_Pending, LogRecordProcessor):
    signal = "logs"

    def on_emit(self, log_record: Any) -> None:
        self._keep(log_record)

    def shutdown(self) -> None:
        """Nothing: the pipeline flushes."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: the pipeline flushes by itself."""
        del timeout_millis
        return True

    def _encode(self, taken: list[Any]) -> Iterable[Any]:
        return [scope for resource in encode_logs(taken).resource_logs for scope in resource.scope_logs]

    def _count(self, scope: Any) -> int:
        return len(scope.log_records)


class _Reader(MetricReader):
    """Collects the SDK's instruments when our pipeline asks."""

    def __init__(self, temporality: str) -> None:
        super().__init__(preferred_temporality=dict.fromkeys(_DELTA[temporality], AggregationTemporality.DELTA))
        self._collected: list[ScopeMetrics] = []
        self._lock = threading.Lock()
        self._collecting: threading.Thread | None = None
        self._closed = False

    def produce(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """What the user's instruments hold.

        Observable instruments call the user's code, which may hang: it runs in a thread of its own and is waited for
        a second. What it says later is sent with the next collection.
        """
        del now_ns, delta
        if self._collecting is None or not self._collecting.is_alive():
            self._collecting = threading.Thread(target=self.collect, name="bento-observe-instruments", daemon=True)
            self._collecting.start()
        self._collecting.join(_CALLBACK_SECONDS)
        with self._lock:
            collected, self._collected = self._collected, []
        return collected

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        if metrics_data is None or self._closed:
            return
        encoded = encode_metrics(metrics_data)
        newest = [scope for resource in encoded.resource_metrics for scope in resource.scope_metrics]
        with self._lock:
            # What came too late to be sent stands there still. Its deltas are told only once, the rest is told anew.
            self._collected = [*_deltas(self._collected), *newest]

    def close(self) -> None:
        """Keep nothing more, and wait for no lock: in a forked child another thread may hold it for ever."""
        self._closed = True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing: the pipeline collects a last time by itself."""


def _deltas(scopes: Iterable[ScopeMetrics]) -> list[ScopeMetrics]:
    """The same with those metrics alone that say what came since the last collection."""
    found = []
    for scope in scopes:
        metrics = [metric for metric in scope.metrics if _is_delta(metric)]
        if metrics:
            found.append(ScopeMetrics(scope=scope.scope, metrics=metrics, schema_url=scope.schema_url))
    return found


def _is_delta(metric: Any) -> bool:
    data = getattr(metric, metric.WhichOneof("data"))
    return getattr(data, "aggregation_temporality", None) == AGGREGATION_TEMPORALITY_DELTA
