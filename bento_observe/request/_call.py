"""A call of another service."""

from __future__ import annotations

import time
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from opentelemetry.trace import SpanContext

from bento_observe import semconv
from bento_observe.request._live import LiveSpan
from bento_observe.request._span import error_type_of
from bento_observe.telemetry import describe, random_bytes

__all__ = ["CallKey", "CallSpan", "call_attributes"]

CallKey: TypeAlias = tuple[str, str, str, int, str]
"""URL, route, peer, status and `error.type` of a call."""


class CallSpan(LiveSpan):
    """One HTTP request to another service, as the client sees it: from building it to having read the answer.

    `url` is where the service is, as BentoML writes it; `route` the path there, `peer` the service's name if known.
    `status` is 0 until there is an answer. `start_unix_ns` is wall time, `start_ns` and `end_ns` are
    `time.perf_counter_ns` readings.
    """

    __slots__ = ("end_ns", "error_type", "peer", "route", "start_ns", "start_unix_ns", "status", "url")

    def __init__(self, parent: SpanContext, url: str, route: str, peer: str) -> None:
        """Below `parent`, or, where that is none, the first span of an unsampled trace."""
        self.ended = False
        self.additions = None
        self._context = None
        self.span_id = random_bytes()
        self.trace_state = parent.trace_state
        if parent.is_valid:
            self.trace_id = parent.trace_id.to_bytes(16, "big")
            self.parent_id = parent.span_id.to_bytes(8, "big")
            self.sampled = parent.trace_flags.sampled
        else:
            self.trace_id, self.parent_id, self.sampled = random_bytes() + random_bytes(), b"", False
        self.url = url
        self.route = route
        self.peer = peer
        self.status = 0
        self.error_type = ""
        self.start_unix_ns = time.time_ns()
        self.start_ns = time.perf_counter_ns()
        self.end_ns = 0

    def close(self, end_ns: int, error: BaseException | None = None) -> None:
        """It is over, with `error` if there is no answer, or one that says so."""
        if self.ended:
            return
        if error is not None:
            self.error_type = str(self.status) if self.status >= 400 else error_type_of(error)
            if self.status < 400:
                self.add_event("exception", describe(error))
        self.end_ns = end_ns
        self.ended = True

    @property
    def name(self) -> str:
        """By the conventions: method and template of the path."""
        return f"POST {self.route}"

    @property
    def key(self) -> CallKey:
        """What calls have in common that carry the same attributes."""
        return self.url, self.route, self.peer, self.status, self.error_type


def call_attributes(key: CallKey) -> dict[str, Any]:
    """By the conventions of HTTP clients; made in the encoder thread."""
    url, route, peer, status, error_type = key
    found: dict[str, Any] = {semconv.HTTP_REQUEST_METHOD: "POST", semconv.URL_TEMPLATE: route}
    where = urlsplit(url)
    if where.scheme == "file":  # BentoML's word for a Unix socket
        found[semconv.SERVER_ADDRESS], found[semconv.NETWORK_TRANSPORT] = unquote(where.path), "unix"
    else:
        scheme = "https" if where.scheme == "https" else "http"  # BentoML's tcp:// is http
        host = where.netloc.rpartition("@")[2]  # never the password
        found[semconv.URL_FULL] = f"{scheme}://{host}{where.path.rstrip('/')}{route}"
        found[semconv.SERVER_ADDRESS] = where.hostname or host
        found[semconv.SERVER_PORT] = where.port or (443 if scheme == "https" else 80)
    if peer:
        found[semconv.SERVICE_PEER_NAME] = peer
    if status:
        found[semconv.HTTP_RESPONSE_STATUS_CODE] = status
    if error_type:
        found[semconv.ERROR_TYPE] = error_type
    return found
