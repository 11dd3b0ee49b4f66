"""What the embedded receiver answers to requests that no well-behaved exporter sends, and to OTLP's JSON."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator

import grpc
import pytest
import urllib3
from _dev_messages import traces
from google.rpc.status_pb2 import Status

from bento_observe.dev import DevReceiver

JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(scope="module")
def dev() -> Iterator[DevReceiver]:
    with DevReceiver() as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff not protobuf", PROTOBUF, 400),
        (b"{", JSON, 400),
        (b"1", JSON, 400),
        (b"null", JSON, 400),
        (b"[1]", JSON, 400),
        (b'{"resourceSpans": 3}', JSON, 400),
        (
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}',
            JSON,
            400,
        ),
        (b"[" * 100_000, JSON, 400),
        (b"", {"Content-Type": "text/plain"}, 415),
        (b"", {}, 415),
        (b"x", PROTOBUF | {"Content-Encoding": "br"}, 415),
        (b"not gzip", PROTOBUF | {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"abc", mtime=0)[:-4], PROTOBUF | {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(bytes(65 << 20), mtime=0), PROTOBUF | {"Content-Encoding": "gzip"}, 413),
    ],
)
def test_bad_bodies_are_refused_with_a_status_that_says_why(dev, body, headers, status):
    """The answer is a google.rpc.Status in the encoding of the request, as OTLP/HTTP asks."""
    response = urllib3.request("POST", f"{dev.http_endpoint}/v1/traces", body=body, headers=headers)
    assert response.status == status
    if headers.get("Content-Type") == "application/json":
        message = response.json()["message"]
    else:
        message = Status.FromString(response.data).message
    assert message


def test_a_bad_body_harms_neither_the_connection_nor_the_next_request(dev):
    """On one kept-alive connection: refused, then accepted."""
    with urllib3.HTTPConnectionPool("127.0.0.1", int(dev.http_endpoint.rpartition(":")[2]), maxsize=1) as pool:
        assert pool.request("POST", "/v1/traces", body=b"\xff", headers=PROTOBUF).status == 400
        assert pool.request("POST", "/v1/traces", body=traces(1).SerializeToString(), headers=PROTOBUF).status == 200
        assert pool.num_connections == 1


def test_chunked_bodies_are_read(dev):
    """Exporters that compress while they send don't know the length."""
    body = traces(3, service="chunked").SerializeToString()
    connection = http.client.HTTPConnection(dev.http_endpoint.removeprefix("http://"))
    connection.request("POST", "/v1/traces", iter([body[:10], body[10:]]), PROTOBUF, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert dev.query("SELECT count(*) FROM spans WHERE service_name = 'chunked'") == [(3,)]


def test_a_malformed_grpc_message_is_an_error_for_its_sender_only(dev):
    """The sender gets a status; the next request is served."""
    with grpc.insecure_channel(dev.grpc_endpoint.removeprefix("http://")) as channel:
        export = channel.unary_unary(EXPORT)
        with pytest.raises(grpc.RpcError):
            export(b"\xff\xff not protobuf")
        assert export(traces(1).SerializeToString()) == b""


def test_otlp_json_has_ids_in_hex(dev):
    """The JSON of the OTLP specification, unknown fields included, becomes the same rows as protobuf."""
    span = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "parentSpanId": "EEE19B7EC3C1B173",
        "name": "json",
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": "1544712661000000000",
        "kind": 2,
        "attributes": [{"key": "traceId", "value": {"stringValue": "zz"}}],
        "fieldOfTomorrow": 1,
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    headers = {"Content-Type": "application/json; charset=utf-8"}
    response = urllib3.request("POST", f"{dev.http_endpoint}/v1/traces", body=body, headers=headers)
    assert (response.status, response.json()) == (200, {})
    assert response.headers["Content-Type"] == "application/json"
    columns = "trace_id, span_id, parent_span_id, kind, duration_ns, attributes->>'traceId'"
    assert dev.query(f"SELECT {columns} FROM spans WHERE name = 'json'") == [
        ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "eee19b7ec3c1b173", "server", 10**9, "zz")
    ]


def test_a_full_queue_tells_senders_to_come_back():
    """HTTP 503 with Retry-After, gRPC UNAVAILABLE: both mean "retry later" in OTLP. What was accepted is stored."""
    body = traces(1000, payload="x" * 1000).SerializeToString()
    accepted = 0
    with DevReceiver(queue_bytes=len(body)) as dev:
        with grpc.insecure_channel(dev.grpc_endpoint.removeprefix("http://")) as channel:
            export = channel.unary_unary(EXPORT)
            code = None
            while code is None:
                try:
                    export(body)
                    accepted += 1
                except grpc.RpcError as error:
                    code = error.code()
        assert code is grpc.StatusCode.UNAVAILABLE
        while True:
            response = urllib3.request(
                "POST", f"{dev.http_endpoint}/v1/traces", body=body, headers=PROTOBUF, retries=False
            )
            if response.status != 200:
                break
            accepted += 1
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        counts = dev.counts()
        assert (counts.spans, counts.refused) == (accepted * 1000, 2)
