"""A BentoML with a private part of another name: its services are served, as far observed as can be, and it is told.

What BentoML is to the package is tested in `tests/unit/test_contract_bentoml.py`; this is the fall-back.
"""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest
from server import BentoServer
from sink import Sink
from traffic import Answer, Client, Request

VERSION = version("bentoml")
OTHER_BENTOML = Path(__file__).parent / "stand_ins" / "other_bentoml"
FAST = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}
REQUESTS = [
    Request("/plain", "/plain", json.dumps({"numbers": [1, 2.5]}).encode()),
    Request("/plain", "/plain", json.dumps({"numbers": "no"}).encode()),
    Request("/batch", "/batch", json.dumps({"rows": [[1, 2], [3, 4]]}).encode()),
]


def _environment(sink: Sink, *renamed: str) -> dict[str, str]:
    """For `bentoml serve` of a BentoML in which these names are others."""
    paths = [str(OTHER_BENTOML), *filter(None, [os.environ.get("PYTHONPATH")])]
    names = ",".join(f"{name}=other_{name}" for name in renamed)
    return {**FAST, **sink.environment(), "PYTHONPATH": os.pathsep.join(paths), "TEST_RENAMED": names}


def _ask(server: BentoServer) -> list[Answer]:
    with Client(server.port) as client:
        return [client.send(request) for request in REQUESTS]


def _told(server: BentoServer) -> str:
    """The one line that we wrote; there is no traceback of ours either."""
    (line,) = [line for line in server.output.splitlines() if "bento_observe: " in line]
    return line


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("ServiceAppFactory", "_bentoml_impl.server.app.ServiceAppFactory.middlewares"),
        ("middlewares", "_bentoml_impl.server.app.ServiceAppFactory.middlewares"),
        ("trace_context", "bentoml._internal.context.trace_context"),
        ("input_spec", "_bentoml_sdk.method.APIMethod.input_spec"),
    ],
)
def test_without_a_part_that_all_rests_on_the_service_is_served_unobserved(name: str, place: str) -> None:
    """It answers as plain BentoML, two workers tell it in one line, and nothing is sent."""
    with Sink() as sink, BentoServer("everything:Everything", _environment(sink, name), workers=2) as server:
        workers = sorted(server.workers)
        answers = _ask(server)

        assert [answer.status for answer in answers] == [200, 400, 200]
        assert not any(answer.trace_id for answer in answers)
        told = f"cannot be set up; Everything is served unobserved: {place} is gone; BentoML {VERSION} is new to us"
        assert told in _told(server)
        assert sorted(server.workers) == workers
        server.stop()
        assert sink.exports == []


def test_without_decode_encode_and_batches_the_rest_is_observed() -> None:
    """One line says what is not; server spans, predict and the features are there, and the answers as they were."""
    renamed = ("from_http_request", "to_http_response", "mime_type", "batch_infer")
    with Sink() as sink, BentoServer("everything:Everything", _environment(sink, *renamed)) as server:
        answers = _ask(server)
        server.stop()

        assert [answer.status for answer in answers] == [200, 400, 200]
        line = _told(server)
        assert "Everything is served, and observed without predict of batched requests (_bentoml_impl." in line
        assert "decode (_bentoml_sdk.io_models.IOMixin.from_http_request is gone), encode (" in line
        traces = [sorted(span.name for span in sink.spans(trace_id=answer.trace_id)) for answer in answers]
        assert traces[:2] == [["POST /plain", "predict"], ["POST /plain"]]
        assert "POST /batch" in traces[2]


def test_as_bentoml_is_no_such_line_is_written() -> None:
    """The stand-in with no name changed is BentoML, wholly observed."""
    with Sink() as sink, BentoServer("everything:Everything", _environment(sink)) as server:
        (answer, *_) = _ask(server)
        server.stop()
        assert "bento_observe: " not in server.output
        assert len(sink.spans(trace_id=answer.trace_id)) == 4
