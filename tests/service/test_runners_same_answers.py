"""An observed legacy service answers as the plain one does, byte for byte, through every descriptor of `bentoml.io`."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from console import lines
from PIL import Image
from received import SERVER
from server import BentoServer, plain_and_observed
from sink import Sink
from traffic import Answer, Client, Request

_BOUNDARY = "0123456789abcdef"


def _request(path: str, body: bytes, kind: str = "", content: str = "application/json", **headers: str) -> Request:
    return Request(kind or path, path, body, headers={"content-type": content, **headers})


def _multipart(**parts: str) -> bytes:
    found = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in parts.items()]
    return ("".join(f"--{_BOUNDARY}\r\n{part}\r\n" for part in found) + f"--{_BOUNDARY}--\r\n").encode()


def _picture() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (4, 2), (200, 10, 30)).save(written, "PNG")
    return written.getvalue()


_FORM = f"multipart/form-data; boundary={_BOUNDARY}"
REQUESTS = [
    _request("/array", b"[[1, 2], [3, 4.5]]"),
    _request("/frame", b'[{"a": 1, "b": 2}, {"a": 3, "b": 4}]'),
    _request("/series", b"[1, 2.5]"),
    _request("/data", b'{"any": [1, null, "thing"]}'),
    _request("/model", b'{"name": "tea", "price": 3}'),
    _request("/text", "übermäßig".encode(), content="text/plain"),
    _request("/context", b"Ada", content="text/plain"),
    _request("/context", b"Ada", "context with a header", content="text/plain", **{"x-ask": "why"}),
    _request("/file", b"\x00\x01abc" * 1000, content="application/octet-stream"),
    _request("/image", _picture(), content="image/png"),
    _request("/multipart", _multipart(words="some", asked='{"a": 1}'), content=_FORM),
    _request("/elsewhere/deep", b"{}"),
    _request("/stream", b"one two three", content="text/plain"),
    _request("/sync_stream", b"one two three", "a synchronous stream", content="text/plain"),
    Request("mounted", "/mounted/items/7", method="GET"),
    # What is wrong with the request
    _request("/array", b"[[1, 2, 3]]", "a wrong shape"),
    _request("/array", b'[["a", "b"]]', "no numbers"),
    _request("/array", b"[[1, 2]", "no JSON"),
    _request("/frame", b'"text"', "no frame"),
    _request("/data", b"{", "no JSON either"),
    _request("/model", b'{"price": "dear"}', "a wrong model"),
    _request("/image", b"no picture", "no picture", content="image/png"),
    _request("/image", b"text", "a wrong type", content="text/plain"),
    _request("/multipart", _multipart(words="some"), "a missing part", content=_FORM),
    _request("/multipart", b"{}", "not multipart"),
    Request("no such path", "/nothing", method="GET"),
    Request("a wrong method", "/array", method="GET"),
    # What is wrong with the handler
    *(
        _request("/fails", how.encode(), f"fails: {how}", "text/plain")
        for how in ("value", "argument", "bentoml", "key")
    ),
    _request("/fails", b"answer", "fails: answer", "text/plain"),
    # BentoML's own
    *(Request(path, path, method="GET") for path in ("/readyz", "/livez", "/healthz", "/docs.json", "/")),
]


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def servers(sink: Sink) -> Iterator[tuple[BentoServer, BentoServer]]:
    with plain_and_observed("legacy_io:svc", sink.environment()) as pair:
        yield pair


def _comparable(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    ours = {"x-bentoml-trace-id", "x-bentoml-request-id", "x-prediction-id", "date"}
    body = re.sub(rb"[0-9a-f]{32}|0x[0-9a-f]+", b"VARYING", answer.body)  # a boundary, the address of an object
    headers = {key: re.sub(r"[0-9a-f]{32}", "VARYING", value) for key, value in answer.headers.items()}
    return answer.status, {key: value for key, value in headers.items() if key not in ours}, body


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.kind)
def test_the_answer_is_the_same(servers: tuple[BentoServer, BentoServer], request_: Request) -> None:
    """Status, headers (less date and ids) and body, for right and wrong requests to every kind of descriptor."""
    answers = []
    for server in servers:
        with Client(server.port) as client:
            answers.append(client.send(request_))

    plain, observed = answers
    assert _comparable(observed) == _comparable(plain)
    # BentoML gives it only where the request's body was read.
    assert "x-bentoml-request-id" in observed.headers or "x-bentoml-request-id" not in plain.headers


def test_each_descriptor_is_decoded_and_encoded_in_a_stage(
    servers: tuple[BentoServer, BentoServer], sink: Sink
) -> None:
    """decode, predict and encode below the request; one descriptor that two APIs share is told apart."""
    wanted = {request.path: request for request in REQUESTS[:12]}
    for path, request in wanted.items():
        with Client(servers[1].port) as client:
            trace_id = client.send(request).trace_id
        spans = sink.wait(lambda trace_id=trace_id: sink.spans(trace_id=trace_id), what=path)
        (server,) = [span for span in spans if span.kind == SERVER]
        stages = sorted((span for span in spans if span is not server), key=lambda span: span.start_ns)
        api = "routed" if path == "/elsewhere/deep" else path[1:]
        assert server.attributes["http.route"] == path
        assert [(stage.name, stage.attributes["bentoml.api.name"], stage.parent_id) for stage in stages] == [
            (name, api, server.span_id) for name in ("decode", "predict", "encode")
        ]


_VARYING = (
    (r" \(trace=.*\)$", ""),  # probes are in no trace
    (r"[0-9a-f]{32}|0x[0-9a-f]+", "VARYING"),
)


def test_the_console_output_is_the_same() -> None:
    """Access lines, those of probes included, and tracebacks: the same lines, each as often."""
    with Sink() as sink, plain_and_observed("legacy_io:svc", sink.environment()) as servers:
        found = []
        for server in servers:
            with Client(server.port) as client:
                for request in REQUESTS:
                    client.send(request)
            server.stop()
            found.append(lines(server.output, _VARYING, without="/readyz"))  # asked until it is ready
        plain, observed = found
        assert sum(plain.values()) > len(REQUESTS)
        assert (observed - plain, plain - observed) == (Counter(), Counter())
