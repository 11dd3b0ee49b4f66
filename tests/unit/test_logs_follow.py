"""What following logs shows, and what of it only once: on a stand-in that searches by time and limit, and nothing else.

tests/stack/test_stack_logs.py follows in the real Elasticsearch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from click.testing import CliRunner
from standin import Quiet, serving

from bento_observe.cli import main
from bento_observe.stack.logs import LATE_NS, follow_logs

SECOND = 1_000_000_000


class Elasticsearch:
    """Records in memory: at which time each was logged, and what it says."""

    url = ""

    def __init__(self) -> None:
        self.records: list[tuple[int, str]] = []

    def add(self, body: str, *, ago: float = 0.0) -> None:
        """A record of `ago` seconds before now."""
        self.records.append((time.time_ns() - int(ago * SECOND), body))

    def search(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The newest of those in the range, as many as asked for."""
        ranges = [one["range"]["@timestamp"]["gte"] for one in asked["query"]["bool"]["filter"] if "range" in one]
        since_ns = max(ranges, default=0) * 1_000_000
        found = sorted((record for record in self.records if record[0] >= since_ns), reverse=True)
        return {"hits": {"hits": [self._hit(*record) for record in found[: asked["size"]]]}}

    def _hit(self, time_ns: int, body: str) -> dict[str, Any]:
        seconds, nanoseconds = divmod(time_ns, SECOND)
        text = f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
        return {"_index": "logs", "_id": body, "_source": {"body": {"text": body}}, "sort": [text]}


@pytest.fixture
def elasticsearch() -> Iterator[Elasticsearch]:
    """The stand-in, serving."""
    made = Elasticsearch()

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = json.dumps(made.search(json.loads(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

    with serving(Handler) as url:
        made.url = url
        yield made


@pytest.fixture
def followed(elasticsearch: Elasticsearch, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Follows with these options, adds a record `later` after the first look, and ends with Ctrl-C after the second."""

    def follow(*options: str) -> list[str]:
        waits = iter((lambda: elasticsearch.add("later", ago=5), _interrupt))
        monkeypatch.setattr("bento_observe.stack.logs.time.sleep", lambda _: next(waits)())
        result = CliRunner().invoke(main, ["logs", "--url", elasticsearch.url, "--follow", "--json", *options])
        assert result.exit_code == 0, result.output
        return [json.loads(line)["message"] for line in result.stdout.splitlines()]

    return follow


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_a_clock_that_is_ahead_does_not_hide_the_records_of_others(elasticsearch: Elasticsearch) -> None:
    """One record of the next hour is shown once, and what is logged after it is shown as well."""
    elasticsearch.add("of the next hour", ago=-3600)
    rounds = follow_logs(elasticsearch.url, since_ns=time.time_ns() - LATE_NS, poll=0)
    shown = [record.body for record in next(rounds)[0]]
    for number in range(3):
        elasticsearch.add(f"now {number}")
        shown += [record.body for record in next(rounds)[0]]
    assert shown == ["of the next hour", "now 0", "now 1", "now 2"]


def test_following_keeps_to_the_limit(elasticsearch: Elasticsearch, followed: Callable[..., list[str]]) -> None:
    """Of what was there only the newest, though all is recent; what comes is shown, if its time is an earlier one."""
    for number in range(4):
        elasticsearch.add(str(number), ago=4 - number)
    assert followed("--limit", "2") == ["2", "3", "later"]


def test_following_keeps_to_the_time(elasticsearch: Elasticsearch, followed: Callable[..., list[str]]) -> None:
    """Nothing of before `--since`, though following looks further back for what is late."""
    elasticsearch.add("before", ago=9)
    elasticsearch.add("after", ago=1)
    assert followed("--since", "8s") == ["after", "later"]
