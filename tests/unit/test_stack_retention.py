"""What deleting old logs does where Elasticsearch refuses: on a stand-in that has data streams.

tests/stack/test_stack_logs.py deletes in the real Elasticsearch, which does not refuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from standin import Quiet, serving

from bento_observe.stack import _retention, prune_logs
from bento_observe.stack._retention import prune_at_start


class Elasticsearch:
    """Two data streams of three indices each, begun in the seconds 1, 2 and 3 of the epoch."""

    url = ""

    def __init__(self) -> None:
        self.streams = {name: [f"{name}-{number}" for number in (1, 2, 3)] for name in ("logs-a", "logs-b")}
        self.refused: set[tuple[str, str]] = set()
        self.resolved: Any = None

    def answer(self, method: str, path: str) -> Any:
        """The document; None where it is refused."""
        first, _, rest = path.partition("?")[0].strip("/").partition("/")
        if (method, path) in self.refused:
            return None
        if method == "DELETE":
            for indices in self.streams.values():
                if first in indices:
                    indices.remove(first)
        if first == "_resolve":
            streams = [{"name": name, "backing_indices": list(indices)} for name, indices in self.streams.items()]
            return self.resolved or {"data_streams": streams}
        if rest == "_settings":
            return {first: {"settings": {"index": {"creation_date": f"{first[-1]}000"}}}}
        return {}


@pytest.fixture
def elasticsearch() -> Iterator[Elasticsearch]:
    """The stand-in, serving."""
    made = Elasticsearch()

    class Handler(Quiet, BaseHTTPRequestHandler):
        def _serve(self) -> None:
            self.rfile.read(int(self.headers["content-length"] or 0))
            found = made.answer(self.command, self.path)
            answer = json.dumps(found).encode()
            self.send_response(500 if found is None else 200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815

    with serving(Handler) as url:
        made.url = url
        yield made


def test_only_the_newest_of_each_is_left(elasticsearch: Elasticsearch) -> None:
    """Where nothing is refused, and all is older than what is kept."""
    pruned = prune_logs(elasticsearch.url)
    assert pruned.deleted == ("logs-a-1", "logs-a-2", "logs-b-1", "logs-b-2")
    assert (pruned.kept, pruned.failures) == (2, ())


def test_predictions_are_kept_for_as_long_as_their_own_template_says(
    elasticsearch: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels may come later than anybody looks at a log."""
    name = "predictions-bentoml.otel-default"
    elasticsearch.streams[name] = [f"{name}-{number}" for number in (1, 2, 3)]
    monkeypatch.setattr(_retention, "kept_for", {"logs": 1.0, "predictions": 1e10}.__getitem__)
    assert prune_logs(elasticsearch.url).deleted == ("logs-a-1", "logs-a-2", "logs-b-1", "logs-b-2")


def test_a_data_stream_that_cannot_roll_over_keeps_nothing_of_others(elasticsearch: Elasticsearch) -> None:
    """Nor of its own; it is told."""
    elasticsearch.refused.add(("POST", "/logs-a/_rollover"))
    pruned = prune_logs(elasticsearch.url)
    assert elasticsearch.streams == {"logs-a": ["logs-a-3"], "logs-b": ["logs-b-3"]}
    (failure,) = pruned.failures
    assert "logs-a/_rollover: 500" in failure


def test_an_index_that_cannot_be_deleted_keeps_nothing_of_others(elasticsearch: Elasticsearch) -> None:
    """What is left is counted, and told at the start of a stack as well."""
    elasticsearch.refused.add(("DELETE", "/logs-a-1"))
    pruned = prune_logs(elasticsearch.url)
    assert pruned.deleted == ("logs-b-1", "logs-b-2")
    assert (pruned.kept, len(pruned.failures)) == (4, 1)
    told: list[str] = []
    prune_at_start(elasticsearch.url, told.append)
    assert len(told) == 1
    assert "logs-a-1: 500" in told[0]


@pytest.mark.parametrize("resolved", [[1], {"data_streams": [{}]}, {"data_streams": 1}])
def test_an_answer_that_nobody_expects_does_not_keep_a_stack_from_starting(
    resolved: Any, elasticsearch: Elasticsearch
) -> None:
    """It is told."""
    elasticsearch.resolved = resolved
    told: list[str] = []
    prune_at_start(elasticsearch.url, told.append)
    assert len(told) == 1
    assert told[0].startswith("old logs are not deleted: ")
