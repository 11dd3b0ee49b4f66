"""Where handlers and answers meet prediction ids: nothing of it may fail them, or change what is theirs."""

from __future__ import annotations

import asyncio
from typing import Any

import bentoml
import httpx
import numpy as np
import pytest

from bento_observe import prediction_ids, semconv, settings
from bento_observe._identity import identity
from bento_observe._mounts import MountedRoutes
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References
from bento_observe.asgi import Observation, ObserveMiddleware
from bento_observe.request import (
    AccessLog,
    AccessLogOptions,
    RequestMetrics,
    RequestSource,
    SpanEncoder,
    current_request,
)
from bento_observe.telemetry import Health, Telemetry


class Api:
    @bentoml.api(batchable=True)
    def score(self, data: Any) -> Any:
        return data


class Odd:
    """Has columns, but none can be asked for."""

    @property
    def columns(self) -> object:
        return object()


def test_arguments_that_have_no_slices_fail_no_batched_call() -> None:
    health = Health()
    recording = FeatureRecording(References(None, pytest.fail), {}, health, Drift(), slices=["country"])
    recorder = recording.recorder(Api.score, "score")
    recorder.call_of((Odd(),), {}).identify(1.0)
    assert health.total(semconv.ERRORS) == 1


@pytest.mark.parametrize(
    ("predictions", "rows"), [(np.array(1.0), 1), (2.0, 1), ("a", 1), ([1, 2], 2), (np.zeros((3, 2)), 3)]
)
def test_ids_are_empty_where_nothing_is_observed(predictions: Any, rows: int) -> None:
    assert prediction_ids(predictions) == [""] * rows


@pytest.mark.parametrize("own", [b"x-prediction-id", b"X-Prediction-Id", None])
def test_a_header_of_this_name_that_the_service_sends_stays_alone(
    own: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    telemetry = Telemetry(settings.from_environment(), identity("test"))
    metrics = RequestMetrics("always_off")
    log = AccessLog(AccessLogOptions(), lambda _request, run: run())
    source = RequestSource(SpanEncoder({}), metrics, log, None, None, telemetry.health)
    observation = Observation(
        telemetry, source, metrics, frozenset(), MountedRoutes(()), frozenset(), None, "",
        prediction_header="x-prediction-id",
    )  # fmt: skip

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        current_request.get().prediction_ids = ["ours"]  # type: ignore[union-attr]
        headers = [] if own is None else [(own, b"theirs")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def asked() -> list[str]:
        observed = ObserveMiddleware(app, observation, lambda inner: inner, lambda: None)
        transport = httpx.ASGITransport(observed, client=("10.0.0.1", 4000))
        async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
            return (await client.get("/")).headers.get_list("x-prediction-id")

    assert asyncio.run(asked()) == (["ours"] if own is None else ["theirs"])
