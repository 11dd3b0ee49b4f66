"""Beginning and ending the stages of the request at hand. Nothing here raises: an unobserved call is still a call."""

from __future__ import annotations

import time

from opentelemetry.trace import Span, get_current_span

from bento_observe import semconv
from bento_observe.request import StageSpan, Stream, Work, current_request
from bento_observe.telemetry import Health

__all__ = ["begin_stage", "close_stage", "count_stream", "inner_stage", "predict_stage"]

_now = time.perf_counter_ns


def begin_stage(stage: str, api: str, health: Health) -> StageSpan | None:
    """Begin a stage of the request at hand; None where there is no request, it is over, or has too many."""
    try:
        request = current_request.get()
        return None if request is None or not request.running else _begin(request, api, stage, _now(), health)
    except Exception:  # noqa: BLE001 - an unobserved stage is still a stage
        health.error(stage)
        return None


def predict_stage(label: str, health: Health, queued: bool = False) -> StageSpan | None:
    """Begin the predict stage of the request at hand; None as for `begin_stage`.

    `queued`: the time since the stage before was spent waiting for a thread.
    """
    try:
        request = current_request.get()
        if request is None or not request.running:
            return None
        began, current = _now(), get_current_span()
        if current is request:
            before = request.later or request.stages
            decoded_ns = before[-1].end_ns if before else 0
            stage = _begin(request, label, semconv.STAGE_PREDICT, began, health)
            if stage is not None and queued and decoded_ns:
                stage.queue_ns = began - decoded_ns
            return stage
        return _begin(request, label, semconv.STAGE_PREDICT, began, health, _id_within(request, current))
    except Exception:  # noqa: BLE001 - an unobserved call is still a call
        health.error("predict")
        return None


def inner_stage(stage: str, label: str, health: Health, within: Span) -> StageSpan | None:
    """Begin a stage below the span `within`; None as for `begin_stage`."""
    try:
        request = current_request.get()
        if request is None or not request.running:
            return None
        return _begin(request, label, stage, _now(), health, _id_within(request, within))
    except Exception:  # noqa: BLE001 - as above
        health.error(stage)
        return None


def count_stream(stage: StageSpan | None) -> Stream:
    """What a stage that yields items counts them in."""
    stream = Stream()
    if stage is not None:
        stage.stream = stream
    return stream


def close_stage(stage: StageSpan | None, health: Health, error: BaseException | None = None) -> None:
    """End a stage, with the exception that it raised if it did. Never raises itself."""
    if stage is not None:
        try:
            stage.close(_now(), error)
        except Exception:  # noqa: BLE001 - as above
            health.error("close")


def _begin(
    request: Work, label: str, stage: str, start_ns: int, health: Health, parent_id: bytes = b""
) -> StageSpan | None:
    """None, and counted, where the request has as many as it may have."""
    begun = request.stage(label, stage, start_ns, parent_id)
    if begun is None:
        for signal in ("traces", "metrics"):
            health.dropped(signal, "stages", 1)
    return begun


def _id_within(request: Work, span: Span) -> bytes:
    """The id of the current span if it belongs to the request's trace, else none: a call within a call."""
    context = span.get_span_context()
    same = context.trace_id == request.get_span_context().trace_id
    return context.span_id.to_bytes(8, "big") if same else b""
