"""One configuration of the Collector, with a log-in for Elasticsearch and without.

Elasticsearch with users cannot be run here: it is a stand-in that takes documents. All other tests have a real one.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import stack_signals as otlp
from ports import free_port
from second_collector import running_collector
from standin import Quiet, serving

from bento_observe.stack._assets import collector_dir

pytestmark = pytest.mark.stack


@pytest.fixture
def elasticsearch() -> Iterator[tuple[str, list[str | None]]]:
    """Its URL, and the `authorization` of each document that it took."""
    logins: list[str | None] = []

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            count = len(body.splitlines()) // 2  # an action, then its document
            logins.extend([self.headers["authorization"]] * count)
            items = [{"create": {"status": 201}}] * count
            answer = json.dumps({"took": 1, "errors": False, "items": items}).encode()
            self.send_response(200)
            self.send_header("x-elastic-product", "Elasticsearch")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with serving(Handler) as url:
        yield url, logins


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ({"ELASTICSEARCH_USER": "collector", "ELASTICSEARCH_PASSWORD": "0123e4"}, "collector:0123e4"),
        ({"ELASTICSEARCH_USER": "", "ELASTICSEARCH_PASSWORD": ""}, None),
        ({}, None),
    ],
)
def test_the_collector_logs_in_where_it_is_told_to(
    login: dict[str, str],
    expected: str | None,
    elasticsearch: tuple[str, list[str | None]],
    otelcol: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A password that looks like a number stays as it is; nothing is sent where there is none."""
    for name in ("ELASTICSEARCH_USER", "ELASTICSEARCH_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    url, logins = elasticsearch
    http, health = free_port(), free_port()
    env = {
        "OTELCOL_OTLP_GRPC": f"127.0.0.1:{free_port()}",
        "OTELCOL_OTLP_HTTP": f"127.0.0.1:{http}",
        "OTELCOL_HEALTH": f"127.0.0.1:{health}",
        "OTELCOL_STORAGE": str(tmp_path / "storage"),
        "JAEGER_OTLP": f"127.0.0.1:{free_port()}",
        "PROMETHEUS_URL": f"http://127.0.0.1:{free_port()}",
        "ELASTICSEARCH_URL": url,
        **login,
    }
    with running_collector(otelcol, [collector_dir() / "config.yaml"], health, env):
        otlp.send_to(f"http://127.0.0.1:{http}", otlp.logs("any", [{}]))
        header = expected and f"Basic {base64.b64encode(expected.encode()).decode()}"
        otlp.eventually(lambda: logins, [header])
