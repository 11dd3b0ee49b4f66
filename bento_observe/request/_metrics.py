"""Finished requests as metrics: the HTTP conventions' histograms and the durations of the stages."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from bento_observe import semconv
from bento_observe.request._batch import BatchHistograms, BatchSpan
from bento_observe.request._call import CallKey, CallSpan, call_attributes
from bento_observe.request._connection import ConnectionMetrics, ConnectionSpan
from bento_observe.request._live import LiveSpan
from bento_observe.request._span import RequestSpan, StageSpan, Work
from bento_observe.request._streams import StreamMetrics
from bento_observe.telemetry import ExplicitHistogram, collect, up_down_counter

__all__ = ["RequestMetrics"]

_MAX_CALLS = 1024


class RequestMetrics:
    """Counts requests as they are encoded. Everything here runs in the encoder thread, but for `active`.

    `active` is written by the event loop alone: (method, scheme) -> requests in flight.
    """

    def __init__(self, exemplar_filter: str) -> None:
        self.active: dict[tuple[str, str], int] = {}
        self._exemplars = exemplar_filter
        self._begin_ns = self._start_ns = time.time_ns()
        self._duration = ExplicitHistogram(semconv.REQUEST_DURATION, _http_attributes)
        self._request_size = ExplicitHistogram(semconv.REQUEST_BODY_SIZE, _http_attributes)
        self._response_size = ExplicitHistogram(semconv.RESPONSE_BODY_SIZE, _http_attributes)
        self._calls = ExplicitHistogram(semconv.CLIENT_DURATION, dict)
        self._stages = ExplicitHistogram(semconv.STAGE_DURATION, _stage_attributes)
        self._streams = StreamMetrics()
        self.connections = ConnectionMetrics(self._begin_ns)
        self._batches = BatchHistograms()

    def count(self, request: RequestSpan) -> None:
        """Add one finished request, or connection."""
        if isinstance(request, ConnectionSpan):
            self.connections.count(request, self._start_ns, self._exemplar(request))
            return
        self._count_request(request, self._exemplar(request))
        self.count_stages(request, request.stages)

    def count_batch(self, batch: BatchSpan) -> None:
        """Add one finished batch, and what other APIs were called for within it."""
        self._batches.count(batch, self._start_ns, self._exemplar(batch))
        self.count_stages(batch, batch.stages)

    def count_call(self, call: CallSpan) -> None:
        """Add one call that is over."""
        seconds = (call.end_ns - call.start_ns) / 1e9
        # By what the series says: URLs that differ in what it does not, such as a path, share one.
        series = self._calls.series(_call_attributes(call.key), self._start_ns)
        series.record(seconds, call.start_unix_ns, self._exemplar(call), call.span_id)

    def count_stages(self, request: Work, stages: Iterable[StageSpan]) -> None:
        """Add some of a request's stages."""
        when, start = request.start_unix_ns, self._start_ns
        trace_id = self._exemplar(request)
        for stage in stages:
            if not stage.end_ns:  # begun by a thread that outlived its request, in the moment it ended
                continue
            series = self._stages.series((stage.api, stage.stage, stage.error_type), start)
            series.record((stage.end_ns - stage.start_ns) / 1e9, when, trace_id, stage.span_id)
            if stage.queue_ns >= 0:
                queue = self._stages.series((stage.api, semconv.STAGE_QUEUE, ""), start)
                queue.record(stage.queue_ns / 1e9, when, trace_id, request.span_id)
            if stage.stream is not None:
                self._streams.count(request, stage, start, trace_id)

    def _exemplar(self, request: LiveSpan) -> bytes | None:
        wanted = self._exemplars == "always_on" or (self._exemplars == "trace_based" and request.sampled)
        return request.trace_id if wanted else None

    def _count_request(self, request: RequestSpan, trace_id: bytes | None) -> None:
        if request.nested:
            return
        when, start, span_id = request.start_unix_ns, self._start_ns, request.span_id
        key = (request.method, request.scheme, request.status, request.route, request.error_type)
        seconds = (request.end_ns - request.start_ns) / 1e9
        self._duration.series(key, start).record(seconds, when, trace_id, span_id)
        self._request_size.series(key, start).record(request.request_size, when, trace_id, span_id)
        self._response_size.series(key, start).record(request.response_size, when, trace_id, span_id)

    def collect(self, now_ns: int, delta: bool) -> list[Metric]:
        """All families as OTLP has them."""
        families = (self._duration, self._request_size, self._response_size, self._calls, self._stages)
        found = collect(families, now_ns, delta)
        found.extend(self._streams.collect(now_ns, delta))
        found.extend(self.connections.collect(now_ns, delta))
        found.extend(self._batches.collect(now_ns, delta))
        if delta:  # what is counted from here on belongs to the next interval
            self._start_ns = now_ns
        if self.active:
            found.append(self._active(now_ns))
        return found

    def _active(self, now_ns: int) -> Metric:
        values = (
            ({semconv.HTTP_REQUEST_METHOD: method, semconv.URL_SCHEME: scheme}, count)
            for (method, scheme), count in list(self.active.items())
        )
        return up_down_counter(semconv.ACTIVE_REQUESTS, values, self._begin_ns, now_ns)


def _http_attributes(key: tuple[str, str, int, str, str]) -> Mapping[str, Any]:
    method, scheme, status, route, error_type = key
    return {
        semconv.HTTP_REQUEST_METHOD: method,
        semconv.URL_SCHEME: scheme,
        semconv.HTTP_RESPONSE_STATUS_CODE: status or None,
        semconv.HTTP_ROUTE: route or None,
        semconv.ERROR_TYPE: error_type or None,
    }


@functools.lru_cache(maxsize=_MAX_CALLS)
def _call_attributes(key: CallKey) -> tuple[tuple[str, Any], ...]:
    found = call_attributes(key)
    if found.get(semconv.NETWORK_TRANSPORT) == "unix":
        del found[semconv.SERVER_ADDRESS]  # BentoML makes up another path at each start: series without end
    return tuple((name, found.get(name)) for name in semconv.CLIENT_DURATION.attributes)


def _stage_attributes(key: tuple[str, str, str]) -> Mapping[str, Any]:
    api, stage, error_type = key
    return {semconv.API_NAME: api, semconv.API_STAGE: stage, semconv.ERROR_TYPE: error_type or None}
