"""Kibana's objects are those that the script writes, hang together, and name fields that the templates have.

Kibana itself is not run here; tests/stack/test_stack_logs.py runs the searches' queries.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from standin import Quiet, serving

from bento_observe import semconv
from bento_observe.stack._assets import collector_dir

KIBANA = collector_dir() / "kibana"
COMPONENTS = collector_dir() / "elasticsearch" / "templates" / "component"
COMMITTED = (KIBANA / "objects.ndjson").read_text(encoding="utf-8")
VIEW, *SEARCHES = [json.loads(line) for line in COMMITTED.splitlines()]


def _leaves(properties: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, mapping in properties.items():
        if "properties" in mapping:
            yield from _leaves(mapping["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, mapping.get("type", "object")


MAPPED = {
    field: kind
    for file in COMPONENTS.glob("*.json")
    for field, kind in _leaves(json.loads(file.read_text(encoding="utf-8"))["template"]["mappings"]["properties"])
}


def test_the_committed_objects_are_what_the_script_writes() -> None:
    """A change of a name or a query that forgot them is found here."""
    assert runpy.run_path(str(KIBANA / "generate.py"))["document"]() == COMMITTED


def test_every_mapped_attribute_is_one_of_ours() -> None:
    """The templates are written by hand: no name in them that nobody sends."""
    known = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
    attributes = {field.partition("attributes.")[2] for field in MAPPED if "attributes." in field}
    assert len(attributes) > 15
    assert attributes <= known


def test_the_data_view_links_traces_to_jaeger() -> None:
    """By the id, which is the value of the field."""
    formats = json.loads(VIEW["attributes"]["fieldFormatMap"])
    assert (VIEW["type"], VIEW["attributes"]["timeFieldName"]) == ("index-pattern", "@timestamp")
    assert formats["trace_id"]["params"]["urlTemplate"] == "http://localhost:16686/trace/{{value}}"
    assert set(formats) <= set(MAPPED)


def test_there_is_a_search_for_errors_for_slow_requests_and_for_a_trace() -> None:
    """Each over the data view, by the reference that Kibana follows, and with an id of its own."""
    assert [search["attributes"]["title"] for search in SEARCHES] == ["Errors", "Slow requests", "One trace"]
    assert len({search["id"] for search in SEARCHES}) == 3
    for search in SEARCHES:
        source = json.loads(search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        (reference,) = search["references"]
        assert search["type"] == "search"
        assert reference == {"type": VIEW["type"], "id": VIEW["id"], "name": source["indexRefName"]}
        assert source["query"]["language"] == "lucene"


def test_searches_show_and_sort_by_fields_that_are_there_before_the_first_record() -> None:
    """A column of an unknown field is empty; sorting by one fails, and so it does by text."""
    for search in SEARCHES:
        assert set(search["attributes"]["columns"]) <= set(MAPPED), search["id"]
        for field, order in search["attributes"]["sort"]:
            assert order in ("asc", "desc")
            assert MAPPED[field] in ("date_nanos", "double")


@pytest.fixture
def kibana() -> Iterator[tuple[str, list[tuple[str, dict[str, str], str]], list[bytes]]]:
    """A stand-in: its URL, what it was sent (path, headers, body), what it answers."""
    requests: list[tuple[str, dict[str, str], str]] = []
    answers = [b'{"successCount":4,"success":true}']

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("content-length", str(len(answers[0])))
            self.end_headers()
            self.wfile.write(answers[0])

    with serving(Handler) as url:
        yield url, requests, answers


def _import(url: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": os.environ["PATH"], "KIBANA_URL": url, "JAEGER_URL": "https://traces.example/j",
        "ELASTICSEARCH_USER": "elastic", "ELASTICSEARCH_PASSWORD": "secret",
    }  # fmt: skip
    return subprocess.run(["sh", str(KIBANA / "import.sh")], env=env, capture_output=True, text=True)


def test_the_import_sends_all_objects_with_the_addresses_of_the_site(
    kibana: tuple[str, list[tuple[str, dict[str, str], str]], list[bytes]],
) -> None:
    """As a file, with the header without which Kibana refuses, replacing what an earlier import left."""
    url, requests, _ = kibana
    result = _import(url)
    assert (result.returncode, result.stdout) == (0, "imported 4 objects\n"), result.stderr
    ((path, headers, body),) = requests
    assert path == "/api/saved_objects/_import?overwrite=true"
    assert headers["kbn-xsrf"]
    assert headers["authorization"] == "Basic ZWxhc3RpYzpzZWNyZXQ="  # elastic:secret
    assert 'filename="objects.ndjson"' in body
    assert COMMITTED.replace("http://localhost:16686", "https://traces.example/j").strip() in body.replace("\r\n", "\n")


def test_objects_that_kibana_refuses_fail_the_import(
    kibana: tuple[str, list[tuple[str, dict[str, str], str]], list[bytes]],
) -> None:
    """It tells them with status 200."""
    url, _, answers = kibana
    answers[0] = b'{"successCount":3,"success":false,"errors":[{"id":"x"}]}'
    result = _import(url)
    assert result.returncode == 1
    assert '"errors"' in result.stderr
