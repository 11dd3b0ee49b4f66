"""The way of logs through Logstash, as far as it can be gone without it: what the real Collector sends to its HTTP
input, and what our filter makes of it, beside the documents that the Collector writes itself.

Logstash is a stand-in here: an HTTP server that answers as its input does, and JRuby, in which it runs filters.
"""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import stack_signals as otlp
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList
from ports import free_port
from second_collector import running_collector
from standin import Quiet, serving

from bento_observe.stack import Stack, _http, _tools
from bento_observe.stack._assets import collector_dir
from bento_observe.stack.logs import of_service
from bento_observe.stack.query import elasticsearch_count, elasticsearch_search

pytestmark = pytest.mark.stack

_JRUBY = "org.jruby:jruby-complete:9.4.14.0"
ODD: list[dict[str, Any]] = [
    {"text": "ü", "whole": 2**53 + 1, "number": 1.5, "yes": True, "list": [1, "two", {"a": 3}], "map": {"a": {"b": 1}}},
    {otlp.SEVERITY: 17, "exception.type": "KeyError", "exception.message": "4"},
    {"http.server.request.duration": 0.25, "http.response.status_code": 200},
    {"data_stream.dataset": "Other-One", "data_stream.namespace": "north"},
    {"": "no name", "empty": ""},
]


@pytest.fixture(scope="module")
def jruby(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs a Ruby script."""
    directory = tmp_path_factory.mktemp("jruby")
    maven, jdk = _tools.maven(), _tools.jdk()
    assert isinstance(maven, _tools.Tool)
    assert isinstance(jdk, _tools.Tool)
    goal = ["dependency:copy", f"-Dartifact={_JRUBY}", f"-DoutputDirectory={directory}"]
    subprocess.run([str(maven.path), "-B", "-q", *goal], check=True)
    (jar,) = directory.glob("*.jar")
    return [str(jdk.path / "bin" / "java"), "-XX:TieredStopAtLevel=1", "-jar", str(jar), "--dev"]


class Input:
    """Logstash's HTTP input: says 429 once, as when it is busy, then takes what it is sent."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.busy = 1

    @property
    def records(self) -> int:
        """How many log records were taken."""
        return sum(
            len(scope["logRecords"])
            for request in self.requests
            for resource in request["resourceLogs"]
            for scope in resource["scopeLogs"]
        )


@pytest.fixture
def logstash() -> Iterator[tuple[str, Input]]:
    """Its URL, and what it got."""
    got = Input()

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if got.busy:
                got.busy -= 1
                self.send_response(429)
            else:
                assert self.headers["content-type"] == "application/json"
                if self.headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                got.requests.append(json.loads(body))
                self.send_response(200)
                self.send_header("content-type", "text/plain")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    with serving(Handler) as url:
        yield url, got


def test_logstash_writes_the_documents_that_the_collector_would(
    stack: Stack, otelcol: Path, jruby: list[str], logstash: tuple[str, Input], tmp_path: Path
) -> None:
    """The same records, both ways: the same fields and values, the same data streams, found by the same search."""
    direct = stack.running()
    assert direct is not None
    url, got = logstash
    grpc, http, health = free_port(), free_port(), free_port()
    env = {
        "OTELCOL_OTLP_GRPC": f"127.0.0.1:{grpc}",
        "OTELCOL_OTLP_HTTP": f"127.0.0.1:{http}",
        "OTELCOL_HEALTH": f"127.0.0.1:{health}",
        "OTELCOL_STORAGE": str(tmp_path / "storage"),
        "JAEGER_OTLP": f"127.0.0.1:{free_port()}",
        "PROMETHEUS_URL": direct.prometheus,
        "LOGSTASH_URL": url,
    }
    configs = [collector_dir() / "config.yaml", collector_dir() / "logstash" / "otelcol.yaml"]
    service = otlp.new_service()
    request = _request(service)
    with running_collector(otelcol, configs, health, env):
        otlp.send_to(f"http://127.0.0.1:{http}", request)
        otlp.eventually(lambda: got.records, len(ODD))
    otlp.send(direct, request)
    query = of_service(service)
    otlp.eventually(lambda: elasticsearch_count(direct.elasticsearch, "logs-*", query), len(ODD))
    expected = elasticsearch_search(direct.elasticsearch, "logs-*", query)

    script = collector_dir() / "logstash" / "otlp.rb"
    converted = subprocess.run(
        [*jruby, str(Path(__file__).with_name("logstash.rb")), str(script)],
        input="\n".join(json.dumps(request) for request in got.requests),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    documents = [json.loads(line) for line in converted.stdout.splitlines()]
    assert _comparable(documents) == _comparable(expected)

    for document in documents:
        document["resource"]["attributes"]["service.name"] = f"{service}-through"
        stream = "-".join(document["data_stream"][part] for part in ("type", "dataset", "namespace"))
        _http.send_json("PUT", f"{direct.elasticsearch}/{stream}/_create/{document['@timestamp']}", document)
    again = of_service(f"{service}-through")
    assert elasticsearch_count(direct.elasticsearch, "logs-*", again) == len(ODD)
    assert elasticsearch_count(direct.elasticsearch, "logs-*", f"{again} AND severity_number:>=17") == 1


def _request(service: str) -> ExportLogsServiceRequest:
    """The records of `ODD`, with all else that a record can have."""
    request = otlp.logs(service, ODD)
    (resource,) = request.resource_logs
    (scope,) = resource.scope_logs
    resource.schema_url, scope.schema_url = "https://a/1", "https://b/2"
    scope.scope.name, scope.scope.version = "shop.prices", "1.2"
    scope.scope.attributes.add(key="scoped", value=AnyValue(bool_value=False))
    first, second, third, *_ = scope.log_records
    first.body.CopyFrom(AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="a", value=AnyValue(int_value=1))])))
    second.body.CopyFrom(AnyValue(int_value=7))
    third.event_name, third.flags, third.observed_time_unix_nano = "bought", 1, third.time_unix_nano + 1
    third.trace_id = third.span_id = b""
    return request


def _comparable(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the times, which the two write differently, and by the text."""
    kept = [{key: value for key, value in document.items() if not key.endswith("timestamp")} for document in documents]
    return sorted(kept, key=lambda document: str(document["body"]))
