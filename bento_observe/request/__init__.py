"""One HTTP request: the spans it is while it runs, and what is sent about it afterwards."""

from __future__ import annotations

from bento_observe.request._access_log import AccessLog, AccessLogOptions
from bento_observe.request._batch import BatchSpan
from bento_observe.request._call import CallSpan
from bento_observe.request._connection import ConnectionSpan
from bento_observe.request._live import LiveSpan
from bento_observe.request._metrics import RequestMetrics
from bento_observe.request._source import RequestSource
from bento_observe.request._span import RequestSpan, StageSpan, Stream, Work, current_request, error_type_of
from bento_observe.request._traces import SpanEncoder

__all__ = [
    "AccessLog",
    "AccessLogOptions",
    "BatchSpan",
    "CallSpan",
    "ConnectionSpan",
    "LiveSpan",
    "RequestMetrics",
    "RequestSource",
    "RequestSpan",
    "SpanEncoder",
    "StageSpan",
    "Stream",
    "Work",
    "current_request",
    "error_type_of",
]
