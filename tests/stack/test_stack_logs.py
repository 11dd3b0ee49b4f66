"""Logs in the real Elasticsearch: the first record, the searches, `bento-observe logs`, how long they are kept."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stack_signals as otlp
from click.testing import CliRunner, Result

from bento_observe.cli import main
from bento_observe.stack import Running, Stack, _http
from bento_observe.stack._assets import collector_dir
from bento_observe.stack._retention import kept_for, prune_logs
from bento_observe.stack.logs import ERRORS, follow_logs, of_service, of_trace, search_logs, slower_than
from bento_observe.stack.query import elasticsearch_count, elasticsearch_search

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("collector_log")]

LOGS = "logs-bentoml.otel-*"
TRACE = bytes(range(16)).hex()  # of every record of `otlp.logs`


@pytest.fixture
def running(stack: Stack) -> Running:
    """Where the stack is."""
    found = stack.running()
    assert found is not None
    return found


@pytest.fixture
def service(running: Running) -> str:
    """A service that wrote four records: a line, an exception, a fast request, a slow one that failed."""
    name = otlp.new_service()
    access = {"http.request.method": "POST", "http.route": "/predict"}
    exception = {
        "exception.type": "KeyError", "exception.message": "no price",
        "exception.stacktrace": "Traceback (most recent call last):\nKeyError: 'no price'\n",
    }  # fmt: skip
    otlp.send(
        running,
        otlp.logs(
            name,
            [
                {"price": 3},
                {**exception, otlp.SEVERITY: 17},
                {**access, "http.response.status_code": 200, "http.server.request.duration": 0.01},
                {**access, "http.response.status_code": 500, "http.server.request.duration": 2.0},
            ],
        ),
    )
    otlp.eventually(lambda: elasticsearch_count(running.elasticsearch, LOGS, of_service(name)), 4)
    return name


def printed(running: Running, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["logs", "--url", running.elasticsearch, *arguments])
    assert result.exit_code == 0, result.output
    return result


def lines(running: Running, *arguments: str) -> list[str]:
    """The numbered bodies of `otlp.logs`, in the order in which they were printed."""
    result = printed(running, "--json", *arguments)
    return [json.loads(line)["message"] for line in result.stdout.splitlines()]


def test_the_searches_find_what_they_are_for(running: Running, service: str) -> None:
    """Errors are exceptions and failed requests, slow ones are slow, a trace is whole; nothing else is found."""
    found = {
        query: [record.body for record in search_logs(running.elasticsearch, [query, of_service(service)])]
        for query in (ERRORS, slower_than(0.5), slower_than(0), of_trace(TRACE), of_trace(TRACE[:7]), of_trace("f"))
    }
    assert list(found.values()) == [
        ["line 1", "line 3"],
        ["line 3"],
        ["line 2", "line 3"],
        ["line 0", "line 1", "line 2", "line 3"],
        ["line 0", "line 1", "line 2", "line 3"],
        [],
    ]


def test_the_saved_searches_of_kibana_run(running: Running, service: str) -> None:
    """Their queries, with their order and columns, on the same data; Kibana itself does not run here."""
    found = {}
    lines = (collector_dir() / "kibana" / "objects.ndjson").read_text(encoding="utf-8").splitlines()
    view, *searches = [json.loads(line)["attributes"] for line in lines]
    for search in searches:
        query = json.loads(search["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"]
        body = {
            "query": {"bool": {"filter": [{"query_string": {"query": one}} for one in (query, of_service(service))]}},
            "sort": [dict([order]) for order in search["sort"]],
            "fields": search["columns"],
        }
        hits = _http.send_json("POST", f"{running.elasticsearch}/{view['title']}/_search", body)["hits"]["hits"]
        found[search["title"]] = [hit["fields"] for hit in hits]
    text = {title: [one["body.text"][0] for one in hits if "body.text" in one] for title, hits in found.items()}
    assert text["Errors"] == ["line 3", "line 1"]
    assert text["One trace"] == ["line 0", "line 1", "line 2", "line 3"]
    (slow,) = found["Slow requests"]
    assert slow["attributes.http.server.request.duration"] == [2.0]
    assert slow["trace_id"] == [TRACE]


def test_an_exception_is_found_by_any_of_its_words(running: Running, service: str) -> None:
    """Message and stack are text, not one long word."""
    for query in ("exception.message:price", "attributes.exception.stacktrace:traceback", "exception.type:KeyError"):
        (document,) = elasticsearch_search(running.elasticsearch, LOGS, f"{query} AND {of_service(service)}")
        assert document["body"]["text"] == "line 1"


def test_the_command_prints_what_is_asked_for(running: Running, service: str) -> None:
    """By every option and by several; a trace id in capitals with dashes is the same one."""
    only = ["--service", service]
    assert lines(running, *only) == ["line 0", "line 1", "line 2", "line 3"]
    assert lines(running, *only, "--errors") == ["line 1", "line 3"]
    assert lines(running, *only, "--errors", "--slow", "0.5") == ["line 3"]
    assert lines(running, *only, "--limit", "2") == ["line 2", "line 3"]
    dashed = "-".join((TRACE[:8], TRACE[8:12], TRACE[12:16], TRACE[16:20], TRACE[20:])).upper()
    assert len(lines(running, *only, "--trace", dashed)) == 4
    assert lines(running, *only, "--trace", "f" * 32) == []


def test_the_command_shows_exceptions_below_their_record(running: Running, service: str) -> None:
    """Severity, service, trace id and the indented stack."""
    first, *stack = printed(running, "--service", service, "--errors").stdout.splitlines()[:3]
    assert " ERROR " in first
    assert service in first
    assert f"trace={TRACE}" in first
    assert stack == ["    Traceback (most recent call last):", "    KeyError: 'no price'"]


def test_since_leaves_out_what_is_older(running: Running) -> None:
    """A record of an hour ago is not of the last ten minutes."""
    name = otlp.new_service()
    otlp.send(running, otlp.logs(name, [{}], seconds_ago=3600))
    otlp.eventually(lambda: elasticsearch_count(running.elasticsearch, LOGS, of_service(name)), 1)
    assert lines(running, "--service", name, "--since", "10m") == []
    assert lines(running, "--service", name, "--since", "2h") == ["line 0"]


def test_the_command_finds_the_stack_by_itself(stack: Stack, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its state, as `stack status` does; with another server dead as well."""
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    stack.crash("jaeger")
    try:
        arguments = ["logs", "--data-dir", str(stack.data_dir), "--service", service]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        assert "line 3" in result.output
    finally:
        stack.up()


def test_following_brings_each_record_once(running: Running) -> None:
    """Records of several requests, one of them late, whose time is before what was shown already."""
    name, seen = otlp.new_service(), list[str]()

    def send() -> None:
        for seconds_ago, count, together in ((0, 5, 5), (3, 1, 6), (0, 4, 10)):
            otlp.send(running, otlp.logs(name, [{}] * count, seconds_ago=seconds_ago))
            otlp.eventually(seen.__len__, together)

    sender = threading.Thread(target=send)
    followed: Iterator[Any] = follow_logs(
        running.elasticsearch, [of_service(name)], since_ns=time.time_ns() - 10_000_000_000, poll=0.1
    )
    sender.start()
    deadline = time.monotonic() + 60
    for records, cut in followed:
        seen += [record.key for record in records]
        assert not cut
        assert time.monotonic() < deadline, seen
        if len(seen) >= 10:
            break
    sender.join()
    assert len(set(seen)) == len(seen) == 10


def test_the_command_follows_until_it_is_interrupted(running: Running, service: str) -> None:
    """What is there, then what comes, each when it comes; Ctrl-C is the usual end and no failure."""
    command = ["logs", "--url", running.elasticsearch, "--service", service, "--follow"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from bento_observe.cli import main; main()", *command],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    shown = list[str]()
    reader = threading.Thread(target=lambda: shown.extend(process.stdout or []))
    reader.start()
    try:
        otlp.eventually(lambda: sum("line 3" in line for line in shown), 1)
        otlp.send(running, otlp.logs(service, [{"came": "later"}]))
        otlp.eventually(lambda: sum("came=later" in line for line in shown), 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        reader.join()
    assert sum(" line " in line for line in shown) == 5


def test_old_logs_go_and_new_ones_stay(running: Running, stack: Stack) -> None:
    """A day's index is deleted when what is to be kept begins after it; the one that is written to never is."""
    url, before, after = running.elasticsearch, otlp.new_service(), otlp.new_service()
    otlp.send(running, otlp.logs(before, [{}]))
    otlp.eventually(lambda: elasticsearch_count(url, LOGS, of_service(before)), 1)
    pruned = CliRunner().invoke(main, ["stack", "prune", "--data-dir", str(stack.data_dir)])
    assert pruned.exit_code == 0, pruned.output
    assert pruned.output.startswith("0 deleted, ")  # nothing is 15 days old
    assert prune_logs(url, 3600, new_index_after="0s").deleted == ()  # a new index; the old one is to be kept
    assert elasticsearch_count(url, LOGS, of_service(before)) == 1

    otlp.send(running, otlp.logs(after, [{}]))
    otlp.eventually(lambda: elasticsearch_count(url, LOGS, of_service(after)), 1)
    assert len(prune_logs(url, 0).deleted) >= 1
    assert elasticsearch_count(url, LOGS, of_service(before)) == 0
    assert elasticsearch_count(url, LOGS, of_service(after)) == 1


def test_logs_are_kept_as_long_as_the_template_says() -> None:
    """15 days, in seconds."""
    assert kept_for() == 15 * 86_400


def test_a_record_sent_before_anything_else_is_searchable(stack: Stack, tmp_path: Path) -> None:
    """In a stack of its own, as soon as `up` returns: what the Collector accepted first is found, with its types."""
    fresh = Stack(cache_dir=stack.cache_dir, data_dir=tmp_path, ports="free")
    with fresh as running:
        name = otlp.new_service()
        otlp.send(running, otlp.logs(name, [{"http.server.request.duration": 1}]))  # an integer comes first
        otlp.send(running, otlp.logs(name, [{"http.server.request.duration": 0.75}]))
        query = f"{of_service(name)} AND trace_id:{TRACE}"
        otlp.eventually(lambda: elasticsearch_count(running.elasticsearch, LOGS, query), 2)
        between = f"{of_service(name)} AND http.server.request.duration:[0.7 TO 0.8]"
        assert elasticsearch_count(running.elasticsearch, LOGS, between) == 1
