"""The example's traffic: what it plans, what it sends, what it says the service must have counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
from standin import Quiet, serving

pytest.importorskip("sklearn")

from service_example._plan import Request, plan
from service_example._tally import Answer, summary
from service_example.traffic import main, send
from service_example.wine import FEATURES


@contextmanager
def _server(status: int) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """Answers every request with `status`; yields its URL and the path and traceparent of what it was sent."""
    seen: list[tuple[str, str | None]] = []

    class Handler(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            seen.append((self.path, self.headers["traceparent"]))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

    with serving(Handler) as url:
        yield url, seen


def _samples(request: Request) -> list[dict[str, float | None]]:
    body = json.loads(request.body)
    samples: list[dict[str, float | None]] = body["samples"] if "samples" in body else [body["wine"]]
    return samples


def test_the_plan_is_rate_times_duration_and_the_same_for_a_seed() -> None:
    """1,000 requests evenly over 10 s; the same bodies again with the same seed, other trace ids."""
    first, second = (plan(rate=100, duration=10, drift_at=5, seed=7) for _ in range(2))
    assert len(first) == 1000
    assert [request.at for request in first[:3]] == [0.0, 0.01, 0.02]
    assert [request.body for request in first] == [request.body for request in second]
    ids = [request.traceparent for request in [*first, *second] if request.traceparent]
    assert len(ids) == len(set(ids)) > 400


def test_the_plan_has_every_kind_of_request() -> None:
    """Both APIs, answers with 200, 400 and 500, some with a traceparent and some without."""
    requests = plan(rate=100, duration=10, drift_at=5, seed=0)
    kinds = Counter((request.api, request.status) for request in requests)
    assert set(kinds) == {
        ("classify", 200), ("classify", 400), ("classify", 500), ("classify_one", 200), ("classify_one", 400)
    }  # fmt: skip
    assert 200 < sum(bool(request.traceparent) for request in requests) < 400


def test_the_wines_drift_at_the_given_time_in_some_features_only() -> None:
    """Alcohol rises by more than 1 % vol from then on, magnesium stays where it was."""
    good = [request for request in plan(rate=200, duration=10, drift_at=4, seed=0) if request.status == 200]
    means = {
        (drifted, name): np.mean([row[name] for r in good if r.drifted is drifted for row in _samples(r)])
        for drifted in (False, True)
        for name in ("alcohol", "magnesium")
    }
    assert all(request.drifted == (request.at >= 4) for request in good)
    assert means[True, "alcohol"] - means[False, "alcohol"] == pytest.approx(1.4, abs=0.2)
    assert means[True, "magnesium"] == pytest.approx(means[False, "magnesium"], rel=0.05)


def test_the_summary_counts_rows_and_values_of_the_requests_that_were_decoded() -> None:
    """A refused request adds no rows, a failed one all of them but its null, one without an answer nothing."""
    answers = [
        Answer(Request(0, "classify", b"", 200, False, rows=3), 200, 10),
        Answer(Request(1, "classify", b"", 400, False), 400, 20),
        Answer(Request(2, "classify", b"", 500, True, rows=2, missing={"ash": 1}, traceparent="00-a-b-01"), 500, 40),
        Answer(Request(3, "classify_one", b"", 200, True, rows=1), 0, 30),
    ]
    result = summary(answers)
    assert {name: result[name] for name in ("sent", "answered", "unexpected", "continued")} == {
        "sent": 4, "answered": 3, "unexpected": 1, "continued": 1
    }  # fmt: skip
    assert result["statuses"] == {"200": 1, "400": 1, "500": 1}
    assert result["rows"] == {"classify": 5}
    assert result["predicted"] == {"classify": 3}
    assert result["missing"] == {"classify/ash": 1}
    assert result["values"] == {f"classify/{name}": 4 if name == "ash" else 5 for name in FEATURES}
    assert result["drifted_at_ns"] == 30


def test_every_request_is_sent_once_with_its_traceparent() -> None:
    """What the server has seen is what was planned, one for one."""
    requests = plan(rate=1000, duration=0.2, drift_at=0.1, seed=1)
    with _server(200) as (url, seen):
        answers = send(url, requests, clients=4)
    expected = Counter((f"/{request.api}", request.traceparent or None) for request in requests)
    assert Counter(seen) == expected
    assert Counter(answer.status for answer in answers) == {200: 200}


def test_a_server_that_is_not_there_is_told_and_not_asked_again() -> None:
    """Every request then has status 0, and the sending ends."""
    with _server(200) as (url, _):
        pass
    answers = send(url, plan(rate=1000, duration=0.02, drift_at=1, seed=1), clients=2, timeout=1)
    assert [answer.status for answer in answers] == [0] * 20


def test_a_request_that_cannot_be_sent_counts_as_one_without_an_answer() -> None:
    """It ends neither its client nor the count: what was planned is what is told as sent."""
    good = Request(0, "classify", b"", 200, False)
    with _server(200) as (url, seen):
        answers = send(url, [good, replace(good, traceparent="not → latin"), good], clients=1)
    assert [answer.status for answer in answers] == [200, 0, 200]
    assert len(seen) == 2
    assert summary(answers)["sent"] == 3
    assert summary(answers)["unexpected"] == 1


def test_the_command_prints_the_summary_and_tells_wrong_answers_by_its_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A server that answers 200 to everything does so wrongly to what has to be refused."""
    with _server(200) as (url, _):
        status = main(["--url", url, "--rate", "500", "--duration", "0.4", "--drift-at", "0.1"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 1
    assert result["sent"] == result["answered"] == 200
    assert result["unexpected"] > 0


@pytest.mark.parametrize("wrong", [["--rate", "0"], ["--duration", "-1"], ["--clients", "0"]])
def test_a_rate_duration_or_number_of_clients_that_makes_no_sense_is_refused(wrong: list[str]) -> None:
    """With argparse's status for a wrong call."""
    with pytest.raises(SystemExit) as refused:
        main(wrong)
    assert refused.value.code == 2
