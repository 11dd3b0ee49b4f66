"""What a streaming API yields, counted: items, the time to the first one, and how many a second came after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from bento_observe import semconv
from bento_observe.request._span import StageSpan, Work
from bento_observe.telemetry import ExplicitHistogram, collect

__all__ = ["StreamMetrics"]


class StreamMetrics:
    """The histograms of streams. Everything here runs in the encoder thread."""

    def __init__(self) -> None:
        self._first = ExplicitHistogram(semconv.STREAM_FIRST_ITEM_DURATION, _attributes)
        self._items = ExplicitHistogram(semconv.STREAM_ITEMS, _attributes)
        self._rate = ExplicitHistogram(semconv.STREAM_RATE, _attributes)

    def count(self, request: Work, stage: StageSpan, start_ns: int, trace_id: bytes | None) -> None:
        """Add the stream that a predict stage was; one of no item has only its number of items, none."""
        stream = stage.stream
        if stream is None:
            return
        key, when, span_id = (stage.api, stage.error_type), request.start_unix_ns, stage.span_id
        self._items.series(key, start_ns).record(stream.items, when, trace_id, span_id)
        if not stream.first_ns:
            return
        # What a client waits for begins with its request; what a handler waits for with its call.
        began = request.start_ns if stage.parent_id == request.span_id else stage.start_ns
        self._first.series(key, start_ns).record((stream.first_ns - began) / 1e9, when, trace_id, span_id)
        seconds = (stage.end_ns - stream.first_ns) / 1e9
        if stream.items > 1 and seconds > 0:
            self._rate.series(key, start_ns).record((stream.items - 1) / seconds, when, trace_id, span_id)

    def collect(self, now_ns: int, delta: bool) -> list[Metric]:
        """All families as OTLP has them."""
        return collect((self._first, self._items, self._rate), now_ns, delta)


def _attributes(key: tuple[str, str]) -> Mapping[str, Any]:
    api, error_type = key
    return {semconv.API_NAME: api, semconv.ERROR_TYPE: error_type or None}
