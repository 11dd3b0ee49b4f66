"""The caller's context as W3C's propagator reads it, mostly without it."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bento_observe._propagation import Caller, ContextReader

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


def read(*headers: tuple[str, str]) -> Caller:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    reader = ContextReader()
    return reader.read({name: value for name, value in raw if name in reader.headers}, raw)


@pytest.mark.parametrize(
    "given",
    [
        GOOD,
        f"00-{TRACE}-{SPAN}-00",
        f"00-{TRACE}-{SPAN}-03",
        f" {GOOD} ",
        f"00-{TRACE}-{SPAN}-01-extra",
        f"01-{TRACE}-{SPAN}-01-extra",
        f"cc-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE}-{SPAN}",
        "",
        "garbage",
        "-" * 55,
    ],
)
def test_a_traceparent_is_read_as_the_propagator_reads_it(given: str) -> None:
    """Good ones, later versions, and every way to be malformed."""
    context = TraceContextTextMapPropagator().extract({"traceparent": given}, context=Context())
    expected = trace.get_current_span(context).get_span_context()
    caller = read(("traceparent", given))

    if not expected.is_valid:
        assert (caller.trace_id, caller.span_id, caller.sampled) == (b"", b"", None)
    else:
        assert caller.trace_id == expected.trace_id.to_bytes(16, "big")
        assert caller.span_id == expected.span_id.to_bytes(8, "big")
        assert caller.sampled is expected.trace_flags.sampled


def test_no_header_is_nobody() -> None:
    """The request begins a trace."""
    caller = read(("accept", "*/*"))

    assert (caller.trace_id, caller.sampled) == (b"", None)


def test_trace_state_and_baggage_come_along() -> None:
    """Also from several headers of the same name, in their order."""
    caller = read(
        ("traceparent", GOOD),
        ("tracestate", "one=1"),
        ("tracestate", "two=2"),
        ("baggage", "user=ada"),
        ("baggage", "a=b"),
    )

    assert caller.trace_state.to_header() == "one=1,two=2"
    assert baggage.get_all(caller.context) == {"user": "ada", "a": "b"}
    assert caller.trace_id.hex() == TRACE


def test_baggage_without_a_trace_is_kept() -> None:
    """It is the caller's to send one without the other."""
    caller = read(("baggage", "user=ada"))

    assert caller.trace_id == b""
    assert baggage.get_baggage("user", caller.context) == "ada"
