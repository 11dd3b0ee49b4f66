"""Finished requests waiting for the encoder thread."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics

from bento_observe import semconv
from bento_observe._version import __version__
from bento_observe.request._access_log import AccessLog
from bento_observe.request._metrics import RequestMetrics
from bento_observe.request._span import RequestSpan
from bento_observe.request._traces import SpanEncoder, scope_spans
from bento_observe.telemetry import Health, SignalQueue, wire

__all__ = ["RequestSource"]

# Beyond it the encoder has been starved for many seconds: memory comes before completeness.
_PENDING_LIMIT = 50_000
_STEP = 32


class RequestSource:
    """The one place where a request becomes spans, metric points and log records."""

    def __init__(
        self,
        spans: SpanEncoder,
        metrics: RequestMetrics,
        access_log: AccessLog,
        traces: SignalQueue | None,
        logs: SignalQueue | None,
        health: Health,
    ) -> None:
        self._spans = spans
        self._metrics = metrics
        self._access_log = access_log
        self._traces = traces
        self._logs = logs
        self._health = health
        self._pending: list[RequestSpan] = []

    def add(self, request: RequestSpan) -> None:
        """Take a finished request. One list append; called on the event loop."""
        if len(self._pending) < _PENDING_LIMIT:
            self._pending.append(request)
        else:
            self._health.dropped("traces", "pending_full", 1 + len(request.stages))
            self._health.dropped("logs", "pending_full", 1)
            self._health.dropped("metrics", "pending_full", 1)

    def step(self) -> bool:
        """Encode some requests; whether there are more."""
        taken = self._pending[:_STEP]
        del self._pending[: len(taken)]
        spans: list[bytes] = []
        records: list[bytes] = []
        for request in taken:
            try:
                self._encode(request, spans, records)
            except Exception:  # noqa: BLE001 - one request that cannot be told must not cost the others
                self._health.error("request")
        if spans and self._traces is not None:
            self._traces.put(scope_spans(spans), len(spans))
        if records and self._logs is not None:
            self._logs.put(wire.scoped(AccessLog.scope, records), len(records))
        return bool(self._pending)

    def _encode(self, request: RequestSpan, spans: list[bytes], records: list[bytes]) -> None:
        self._metrics.count(request)
        if request.sampled and self._traces is not None:
            spans.extend(self._spans.encode(request))
        if request.status and self._access_log.wants(request):
            line = self._access_log.line(request)
            if self._logs is not None:
                records.append(self._access_log.encode(request, line))
            self._access_log.write(request, line)

    def collect(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """The metrics of all requests encoded so far."""
        scope = InstrumentationScope(name=semconv.SCOPE_SERVER, version=__version__)
        return [ScopeMetrics(scope=scope, metrics=self._metrics.collect(now_ns, delta))]
