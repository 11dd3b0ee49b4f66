"""A finished request as OTLP spans.

The layout of one span: the ids, the parts that are the same for every such span (prepared once), the
two times, what is this request's own. Field numbers: opentelemetry/proto/trace/v1/trace.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status as StatusMessage
from opentelemetry.trace import Link, StatusCode, TraceState
from opentelemetry.util.http import redact_query_parameters

from bento_observe import semconv, wire
from bento_observe._version import __version__
from bento_observe.request._batch import BatchSpan
from bento_observe.request._call import CallKey, CallSpan, call_attributes
from bento_observe.request._live import Additions, LiveSpan
from bento_observe.request._span import RequestSpan, StageSpan, Work

__all__ = ["SpanEncoder"]

_ATTRIBUTE = b"\x4a"  # Span.attributes = 9
_EVENT, _LINK = b"\x5a", b"\x6a"  # Span.events = 11, Span.links = 13
_SPAN = b"\x12"  # ScopeSpans.spans = 2
# trace_id = 1, span_id = 2, then parent_span_id = 4; start = 7 and end = 8 (fixed64), flags = 16 (fixed32)
_IDS = struct.Struct("<2s16s2s8s")
_TIMES = struct.Struct("<sQsQ2sI")
# Span.Link: trace_id = 1, span_id = 2, flags = 6 (fixed32)
_LINK_IDS = struct.Struct("<2s16s2s8ssI")
_MAX_LINKS = 128
_PARENT = b"\x22\x08"
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_KIND = {kind: b"\x30" + wire.varint(kind) for kind in range(6)}

_CLIENT_ADDRESS = wire.attribute_key(_ATTRIBUTE, semconv.CLIENT_ADDRESS)
_CLIENT_PORT = wire.attribute_key(_ATTRIBUTE, semconv.CLIENT_PORT)
_URL_PATH = wire.attribute_key(_ATTRIBUTE, semconv.URL_PATH)
_URL_QUERY = wire.attribute_key(_ATTRIBUTE, semconv.URL_QUERY)
_REQUEST_SIZE = wire.attribute_key(_ATTRIBUTE, semconv.HTTP_REQUEST_BODY_SIZE)
_STREAM_ITEMS = wire.attribute_key(_ATTRIBUTE, semconv.STREAM_ITEM_COUNT)
_BATCH_SIZE = wire.attribute_key(_ATTRIBUTE, semconv.ATTRIBUTE_BATCH_SIZE)
_BATCH_ROWS = wire.attribute_key(_ATTRIBUTE, semconv.ATTRIBUTE_BATCH_ROWS)
_BATCH_WAIT = wire.attribute_key(_ATTRIBUTE, semconv.ATTRIBUTE_BATCH_WAIT)
_RESPONSE_SIZE = wire.attribute_key(_ATTRIBUTE, semconv.HTTP_RESPONSE_BODY_SIZE)

# Every attribute that a span of ours may carry by itself.
_OWN_KEYS = frozenset(
    (
        semconv.HTTP_REQUEST_METHOD, semconv.HTTP_ROUTE, semconv.HTTP_RESPONSE_STATUS_CODE, semconv.URL_SCHEME,
        semconv.URL_PATH, semconv.URL_QUERY, semconv.SERVER_ADDRESS, semconv.SERVER_PORT, semconv.CLIENT_ADDRESS,
        semconv.CLIENT_PORT, semconv.USER_AGENT_ORIGINAL, semconv.NETWORK_PROTOCOL_VERSION,
        semconv.HTTP_REQUEST_BODY_SIZE, semconv.HTTP_RESPONSE_BODY_SIZE, semconv.ERROR_TYPE, semconv.API_NAME,
        semconv.ML_MODEL_NAME, semconv.ML_MODEL_VERSION, semconv.STREAM_ITEM_COUNT, semconv.ATTRIBUTE_BATCH_SIZE,
        semconv.ATTRIBUTE_BATCH_ROWS, semconv.ATTRIBUTE_BATCH_WAIT, semconv.URL_FULL, semconv.URL_TEMPLATE,
        semconv.NETWORK_TRANSPORT, semconv.SERVICE_PEER_NAME,
    )
)  # fmt: skip
_MAX_CONSTANTS = 1024


class SpanEncoder:
    """Turns requests into serialised spans; remembers what is constant, at most 1,024 combinations."""

    def __init__(self, stage_attributes: Mapping[str, Any]) -> None:
        """`stage_attributes`: what every stage's span carries besides the name of its API."""
        self._stage_attributes = stage_attributes
        self._servers: dict[tuple[Any, ...], bytes] = {}
        self._stages: dict[tuple[str, str, str], bytes] = {}
        self._calls: dict[CallKey, bytes] = {}

    def encode(self, request: RequestSpan) -> list[bytes]:
        """Span fields of the request and its stages."""
        return [wire.message(_SPAN, self._server(request)), *self.encode_stages(request, request.stages)]

    def encode_stages(self, request: Work, stages: Iterable[StageSpan]) -> list[bytes]:
        """Span fields of some of the request's stages."""
        return [wire.message(_SPAN, self._stage(request, stage)) for stage in stages if stage.end_ns]

    def encode_batch(self, batch: BatchSpan) -> list[bytes]:
        """Span fields of a batch, with links to the requests in it, and of what was called within it."""
        name = f"batch {batch.api}"
        key = (batch.api, name, batch.error_type)
        constant = self._stages.get(key)
        if constant is None:
            constant = self._stages[key] = self._stage_constant(*key)
        # Where not all of them fit, those that lead somewhere.
        members = sorted(batch.members, key=lambda member: not member.sampled)
        parts = [wire.with_integer(_BATCH_SIZE, batch.size), wire.with_integer(_BATCH_ROWS, batch.rows)]
        parts += [_link_to(one.trace_id, one.span_id, one.sampled) for one in members[:_MAX_LINKS]]
        if len(members) > _MAX_LINKS:
            parts.append(b"\x70" + wire.varint(len(members) - _MAX_LINKS))  # dropped_links_count = 14
        times = batch.start_unix_ns, batch.unix_ns(batch.end_ns)
        span = _assemble(batch, name, constant, times, b"".join(parts))
        return [wire.message(_SPAN, span), *self.encode_stages(batch, batch.stages)]

    def encode_call(self, call: CallSpan) -> bytes:
        """Span field of a call of another service."""
        key = call.key
        constant = self._calls.get(key)
        if constant is None:
            if len(self._calls) >= _MAX_CONSTANTS:
                self._calls.clear()
            constant = self._calls[key] = _call_constant(call)
        end = call.start_unix_ns + call.end_ns - call.start_ns
        return wire.message(_SPAN, _assemble(call, call.name, constant, (call.start_unix_ns, end)))

    def _stage(self, request: Work, stage: StageSpan) -> bytes:
        key = (stage.api, stage.stage, stage.error_type)
        constant = self._stages.get(key)
        if constant is None:
            constant = self._stages[key] = self._stage_constant(*key)
        more = b""
        if stage.batches:
            links = (_link_to(*identity) for identity in stage.batches[:_MAX_LINKS])
            more = wire.with_double(_BATCH_WAIT, stage.queue_ns / 1e9) + b"".join(links)
        if stage.stream is not None:
            more += wire.with_integer(_STREAM_ITEMS, stage.stream.items)
        times = request.unix_ns(stage.start_ns), request.unix_ns(stage.end_ns)
        return _assemble(stage, stage.stage, constant, times, more)

    def _stage_constant(self, api: str, stage: str, error_type: str) -> bytes:
        found = {semconv.API_NAME: api, **self._stage_attributes}
        if error_type:
            found[semconv.ERROR_TYPE] = error_type
        return _name(stage) + _KIND[SpanMessage.SPAN_KIND_INTERNAL] + wire.attributes(_ATTRIBUTE, found)

    def _server(self, request: RequestSpan) -> bytes:
        headers = request.headers
        key = (
            request.route, request.method, request.status, request.error_type, request.scheme, request.http_version,
            request.nested, headers.get(b"host"), headers.get(b"user-agent"),
        )  # fmt: skip
        constant = self._servers.get(key)
        if constant is None:
            if len(self._servers) >= _MAX_CONSTANTS:  # a client that varies its headers
                self._servers.clear()
            constant = self._servers[key] = _server_constant(request)
        flags = _HAS_IS_REMOTE | (_IS_REMOTE if request.remote_parent else 0) | int(request.sampled)
        parts = [_IDS.pack(b"\x0a\x10", request.trace_id, b"\x12\x08", request.span_id)]
        if request.trace_state:
            parts.append(_trace_state(request.trace_state))
        if request.parent_id:
            parts.append(_PARENT + request.parent_id)
        parts.append(constant)
        end = request.unix_ns(request.end_ns)
        parts.append(_TIMES.pack(b"\x39", request.start_unix_ns, b"\x41", end, b"\x85\x01", flags))
        parts.append(wire.with_string(_URL_PATH, request.path))
        if request.query:
            query = redact_query_parameters("?" + request.query.decode("utf-8", "replace"))[1:]
            parts.append(wire.with_string(_URL_QUERY, query))
        if request.client:
            parts.append(wire.with_string(_CLIENT_ADDRESS, str(request.client[0])))
            parts.append(wire.with_integer(_CLIENT_PORT, int(request.client[1] or 0)))
        parts.append(wire.with_integer(_REQUEST_SIZE, request.request_size))
        parts.append(wire.with_integer(_RESPONSE_SIZE, request.response_size))
        body = b"".join(parts)
        return body if request.additions is None else _with(body, request.additions, _server_name(request))


def scope_spans(spans: list[bytes]) -> bytes:
    """Serialised span fields as one ScopeSpans field of ResourceSpans."""
    return wire.scoped(_SCOPE, spans)


def _assemble(span: LiveSpan, name: str, constant: bytes, times: tuple[int, int], more: bytes = b"") -> bytes:
    """A span of this process's own making: `constant` is name, kind and what else all such spans share."""
    start, end = times
    body = _IDS.pack(b"\x0a\x10", span.trace_id, b"\x12\x08", span.span_id)
    if span.parent_id:
        body += _PARENT + span.parent_id
    body += constant + _TIMES.pack(b"\x39", start, b"\x41", end, b"\x85\x01", _HAS_IS_REMOTE | int(span.sampled)) + more
    if span.trace_state:
        body += _trace_state(span.trace_state)
    return body if span.additions is None else _with(body, span.additions, name)


def _link_to(trace_id: bytes, span_id: bytes, sampled: bool) -> bytes:
    body = _LINK_IDS.pack(b"\x0a\x10", trace_id, b"\x12\x08", span_id, b"\x35", _HAS_IS_REMOTE | int(sampled))
    return wire.message(_LINK, body)


_SCOPE = wire.scope(semconv.SCOPE_SERVER, __version__)


def _name(text: str) -> bytes:
    return wire.string_field(b"\x2a", text)


def _server_name(request: RequestSpan) -> str:
    # The conventions: `{method} {route}`; just the method where no route matched, never the path a client made up.
    method = "HTTP" if request.method == "_OTHER" else request.method
    return f"{method} {request.route}" if request.route else method


def _server_constant(request: RequestSpan) -> bytes:
    found: dict[str, Any] = {
        semconv.HTTP_REQUEST_METHOD: request.method,
        semconv.URL_SCHEME: request.scheme,
        semconv.NETWORK_PROTOCOL_VERSION: request.http_version,
    }
    if request.route:
        found[semconv.HTTP_ROUTE] = request.route
    if request.status:
        found[semconv.HTTP_RESPONSE_STATUS_CODE] = request.status
    if request.error_type:
        found[semconv.ERROR_TYPE] = request.error_type
    host = request.headers.get(b"host", b"").decode("latin-1")
    if host:
        address, separator, port = host.rpartition(":")
        if separator and port.isdigit():
            found[semconv.SERVER_ADDRESS], found[semconv.SERVER_PORT] = address, int(port)
        else:
            found[semconv.SERVER_ADDRESS] = host
    agent = request.headers.get(b"user-agent")
    if agent:
        found[semconv.USER_AGENT_ORIGINAL] = agent.decode("latin-1")
    kind = SpanMessage.SPAN_KIND_INTERNAL if request.nested else SpanMessage.SPAN_KIND_SERVER
    constant = _name(_server_name(request)) + _KIND[kind] + wire.attributes(_ATTRIBUTE, found)
    broken = request.error_type and request.error_type != semconv.ERROR_TYPE_CLIENT_DISCONNECT
    if request.status >= 500 or (broken and request.status < 400):
        constant += _status(StatusMessage.STATUS_CODE_ERROR, "")
    return constant


def _call_constant(call: CallSpan) -> bytes:
    kind = _KIND[SpanMessage.SPAN_KIND_CLIENT]
    constant = _name(call.name) + kind + wire.attributes(_ATTRIBUTE, call_attributes(call.key))
    return constant + _status(StatusMessage.STATUS_CODE_ERROR, "") if call.error_type else constant


def _status(code: int, description: str) -> bytes:
    body = wire.string_field(b"\x12", description) if description else b""
    return wire.message(b"\x7a", body + b"\x18" + wire.varint(code))


def _trace_state(state: TraceState) -> bytes:
    return wire.string_field(b"\x1a", state.to_header())


def _with(body: bytes, additions: Additions, name: str) -> bytes:
    """The span with what user code or an exception added, as further fields; of one given twice the last counts."""
    parts = [body, wire.attributes(_ATTRIBUTE, additions.attributes)]
    if additions.name is not None and additions.name != name:
        parts.append(_name(additions.name))
    if additions.dropped:
        parts.append(b"\x50" + wire.varint(additions.dropped))
    for when, event, found in additions.events:
        message = SpanMessage.Event(time_unix_nano=when, name=event, attributes=wire.key_values(found))
        parts.append(wire.message(_EVENT, message.SerializeToString()))
    parts.extend(wire.message(_LINK, _link(link)) for link in additions.links)
    if additions.status is not None:
        ok = additions.status.status_code is StatusCode.OK
        code = StatusMessage.STATUS_CODE_OK if ok else StatusMessage.STATUS_CODE_ERROR
        parts.append(_status(code, additions.status.description or ""))
    whole = b"".join(parts)
    return whole if _OWN_KEYS.isdisjoint(additions.attributes) else _unique(whole)


def _unique(body: bytes) -> bytes:
    """The span with each attribute once: where user code sets one of ours, its value is the one to send."""
    span = SpanMessage.FromString(body)
    last = {pair.key: pair for pair in span.attributes}
    pairs = [KeyValue.FromString(pair.SerializeToString()) for pair in last.values()]
    del span.attributes[:]
    span.attributes.extend(pairs)
    return span.SerializeToString()


def _link(link: Link) -> bytes:
    context = link.context
    return SpanMessage.Link(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        trace_state=context.trace_state.to_header(),
        attributes=wire.key_values(link.attributes or {}),
        flags=int(context.trace_flags),
    ).SerializeToString()
