"""The quick sampling decision equals the SDK's, for every sampler that `OTEL_TRACES_SAMPLER` can name."""

from __future__ import annotations

import os

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from bento_observe.telemetry._sampling import decision, sdk_sampler

ROOTS = ("always_on", "always_off", "traceidratio")


@pytest.mark.parametrize("name", [*ROOTS, *(f"parentbased_{root}" for root in ROOTS)])
@pytest.mark.parametrize("ratio", [0.0, 0.25, 1.0])
def test_requests_are_sampled_as_the_sdk_samples_spans(name: str, ratio: float) -> None:
    """With a sampled caller, an unsampled one and none, over random ids and the ends of their range."""
    ids = [bytes(15) + b"\x01", b"\xff" * 16, b"\xff" * 8 + b"\x40" + bytes(7), *(os.urandom(16) for _ in range(200))]
    quick, sampler = decision(name, ratio), sdk_sampler(name, ratio)
    for trace_id in ids:
        number = int.from_bytes(trace_id, "big")
        for parent in (None, True, False):
            context = None
            if parent is not None:
                caller = SpanContext(number, 1, is_remote=True, trace_flags=TraceFlags(int(parent)))
                context = trace.set_span_in_context(NonRecordingSpan(caller))
            expected = sampler.should_sample(context, number, "name").decision.is_sampled()
            assert quick(trace_id, parent) is expected, (trace_id.hex(), parent)
