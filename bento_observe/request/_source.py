"""Finished requests waiting for the encoder thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics

from bento_observe import semconv, wire
from bento_observe._version import __version__
from bento_observe.request._access_log import AccessLog
from bento_observe.request._batch import BatchSpan
from bento_observe.request._call import CallSpan
from bento_observe.request._connection import ConnectionSpan
from bento_observe.request._metrics import RequestMetrics
from bento_observe.request._span import Afterwards, RequestSpan
from bento_observe.request._traces import SpanEncoder, scope_spans
from bento_observe.telemetry import Health, SignalQueue

__all__ = ["RequestSource"]

T = TypeVar("T")
Finished = RequestSpan | Afterwards | BatchSpan | CallSpan

# Beyond it the encoder has been starved for many seconds: memory comes before completeness.
_PENDING_LIMIT = 50_000
_STEP = 32
_CHUNK_BYTES = 256 * 1024


class RequestSource:
    """The one place where a request becomes spans, metric points and log records; batches and calls too."""

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
        self._pending: list[Finished] = []
        self._records: list[bytes] = []
        self._closed = False

    def add(self, request: Finished) -> None:
        """Take a finished request, or what came after it. One list append; called on the event loop."""
        if self._closed:
            return
        if len(self._pending) < _PENDING_LIMIT:
            self._pending.append(request)
        else:
            self._drop(request, "pending_full")

    def step(self) -> bool:
        """Encode some requests; whether there are more."""
        taken = self._pending[:_STEP]
        del self._pending[: len(taken)]
        afterwards = [item for item in taken if isinstance(item, Afterwards)]
        requests = [item for item in taken if isinstance(item, RequestSpan)]
        batches = [item for item in taken if isinstance(item, BatchSpan)]
        calls = [item for item in taken if isinstance(item, CallSpan)]
        # One request that cannot be told must cost neither the others nor its other signals.
        self._each(requests, "metrics", self._metrics.count)
        self._each(afterwards, "metrics", lambda item: self._metrics.count_stages(item.request, item.stages))
        self._each(batches, "metrics", self._metrics.count_batch)
        self._each(calls, "metrics", self._metrics.count_call)
        if self._traces is not None:
            self._put_spans(self._traces, requests, afterwards, batches, calls)
        self._each([request for request in requests if request.status], "logs", self._log)
        if self._records and self._logs is not None:
            self._logs.put(wire.scoped(AccessLog.scope, self._records), len(self._records))
        self._records = []
        for request in requests:
            request.release()
        for item in afterwards:
            item.release()
        for batch in batches:
            batch.release()
        return bool(self._pending)

    def give_up(self) -> None:
        """Count what waits as dropped."""
        for request in list(self._pending):
            self._drop(request, "shutdown")

    def close(self) -> None:
        """Keep nothing more."""
        self._closed = True

    def _each(self, items: list[T], signal: str, act: Callable[[T], None]) -> None:
        for item in items:
            try:
                act(item)
            except Exception:  # noqa: BLE001 - see above
                self._health.error("request")
                self._health.dropped(signal, "error", 1)

    def _put_spans(
        self,
        queue: SignalQueue,
        requests: list[RequestSpan],
        afterwards: list[Afterwards],
        batches: list[BatchSpan],
        calls: list[CallSpan],
    ) -> None:
        spans: list[bytes] = []
        size = 0

        def keep(encoded: list[bytes]) -> None:
            nonlocal spans, size
            spans.extend(encoded)
            size += sum(map(len, encoded))
            if size > _CHUNK_BYTES:  # what an endpoint refuses for its size should be small
                queue.put(scope_spans(spans), len(spans))
                spans, size = [], 0

        encoder = self._spans
        sampled = [request for request in requests if request.sampled]
        later = [item for item in afterwards if item.request.sampled]
        self._each(sampled, "traces", lambda request: keep(encoder.encode(request)))
        self._each(later, "traces", lambda item: keep(encoder.encode_stages(item.request, item.stages)))
        self._each([b for b in batches if b.sampled], "traces", lambda batch: keep(encoder.encode_batch(batch)))
        self._each([c for c in calls if c.sampled], "traces", lambda call: keep([encoder.encode_call(call)]))
        if spans:
            queue.put(scope_spans(spans), len(spans))

    def _log(self, request: RequestSpan) -> None:
        if self._access_log.wants(request):
            line = self._access_log.line(request)
            if self._logs is not None:
                self._records.append(self._access_log.encode(request, line))
            self._access_log.write(request, line)

    def _drop(self, request: Finished, reason: str) -> None:
        if isinstance(request, Afterwards):
            self._health.dropped("traces", reason, len(request.stages))
            return
        self._health.dropped("traces", reason, 1 if isinstance(request, CallSpan) else 1 + len(request.stages))
        if isinstance(request, RequestSpan) and not isinstance(request, ConnectionSpan):
            # Of a connection BentoML writes its lines as it goes.
            self._health.dropped("logs", reason, 1)
        self._health.dropped("metrics", reason, 1)

    def collect(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """The metrics of all requests encoded so far."""
        scope = InstrumentationScope(name=semconv.SCOPE_SERVER, version=__version__)
        return [ScopeMetrics(scope=scope, metrics=self._metrics.collect(now_ns, delta))]
