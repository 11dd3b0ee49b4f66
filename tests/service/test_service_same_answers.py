"""An observed service answers as the plain one does, byte for byte, and writes the same console output."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from console import lines
from httpx_ws import connect_ws
from server import BentoServer, plain_and_observed
from sink import Sink
from traffic import Answer, Client, Request


def _json(path: str, kind: str = "", **fields: Any) -> Request:
    return Request(kind or path, path, json.dumps(fields).encode())


def _multipart(path: str) -> Request:
    boundary = "0123456789abcdef"
    document = 'Content-Disposition: form-data; name="document"; filename="a.bin"\r\n\r\n' + "b" * 5000
    title = 'Content-Disposition: form-data; name="title"\r\n\r\nA title'
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in (document, title)) + f"--{boundary}--\r\n"
    return Request(
        "multipart", path, body.encode(), headers={"content-type": f"multipart/form-data; boundary={boundary}"}
    )


REQUESTS = [
    _json("/plain", numbers=[1, 2.5, -3]),
    _json("/coroutine", text="übermäßig"),
    _json("/stream", count=50),
    _json("/astream", count=50),
    _json("/batch", rows=[[1, 2], [3, 4]]),
    _json("/abatch", rows=[[1.5]]),
    _json("/context", name="Ada"),
    Request("context with a header", "/context", b'{"name": "Ada"}', headers={"x-ask": "why"}),
    _json("/several", count=3),
    _json("/several", "several, all given", count=3, factor=0.5, name="three"),
    _json("/model", item={"name": "tea", "prices": [1, 2]}),
    _json("/frame", df=[{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
    _json("/root", name="tea", prices=[1, 2]),
    _json("/file", name="Ada"),
    _multipart("/upload"),
    _json("/size", data=[[0.5] * 1000] * 100),
    _json("/elsewhere/deep"),
    _json("/asks_itself", text="abc"),
    _json("/draw"),
    Request("mounted", "/mounted/items/7", method="GET"),
    Request("mounted, no such path", "/mounted/nothing", method="GET"),
    Request("mounted, raises", "/mounted/broken", method="GET"),
    Request("mounted, wrong method", "/mounted/items/7", method="DELETE"),
    # What is wrong with the request
    _json("/plain", "a wrong type", numbers="many"),
    _json("/plain", "a missing field"),
    Request("no JSON", "/plain", b"{"),
    Request("not UTF-8", "/plain", b"\xff\xfe\x00"),
    Request("no body", "/coroutine"),
    Request("an unknown content type", "/plain", b"numbers=1", headers={"content-type": "text/strange"}),
    Request("pickle from outside", "/plain", b"x", headers={"content-type": "application/vnd.bentoml+pickle"}),
    _json("/model", "a wrong model", item={"prices": "dear"}),
    Request("no such path", "/nothing/here", method="GET"),
    Request("a wrong method", "/plain", method="GET"),
    Request("HEAD", "/plain", method="HEAD"),
    Request("OPTIONS", "/plain", method="OPTIONS"),
    Request("an unknown method", "/plain", b"{}", method="BREW"),
    Request("a wrong traceparent", "/coroutine", b'{"text": "a"}', headers={"traceparent": "00-zz"}),
    # What is wrong with the handler
    *(_json("/fails", f"fails with {how}", how=how) for how in ("value", "argument", "missing", "bentoml", "key")),
    # BentoML's own
    Request("readyz", "/readyz", method="GET"),
    Request("livez", "/livez", method="GET"),
    Request("healthz", "/healthz", method="GET"),
    Request("schema", "/schema.json", method="GET"),
    Request("docs", "/docs.json", method="GET"),
    Request("index", "/", method="GET"),
    Request("redirect", "/plain/", method="GET"),
]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[BentoServer, BentoServer]]:
    """Plain and observed, sending to a sink."""
    with Sink() as sink, plain_and_observed("everything:Everything", sink.environment()) as pair:
        yield pair


def _comparable(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    ours = {"x-bentoml-trace-id", "x-bentoml-request-id", "x-prediction-id", "date"}
    headers = {key: re.sub(r":\d+/", "/", value) for key, value in answer.headers.items() if key not in ours}
    return answer.status, headers, answer.body


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.kind)
def test_the_answer_is_the_same(servers: tuple[BentoServer, BentoServer], request_: Request) -> None:
    """Status, headers (less date and ids) and body, for right and wrong requests to every kind of API."""
    answers = []
    for server in servers:
        with Client(server.port) as client:
            answers.append(client.send(request_))

    plain, observed = answers
    assert _comparable(observed) == _comparable(plain)
    assert ("x-bentoml-request-id" in observed.headers) == ("x-bentoml-request-id" in plain.headers)


def test_a_task_runs_and_gives_its_result(servers: tuple[BentoServer, BentoServer]) -> None:
    """Submitted, asked for, fetched, on both servers alike."""
    results = []
    for server in servers:
        with Client(server.port) as client:
            submitted = client.send(_json("/job/submit", text="from rags to riches"))
            task = submitted.json()["task_id"]
            status = Request("status", f"/job/status?task_id={task}", method="GET")
            deadline = time.monotonic() + 10
            while client.send(status).json()["status"] == "in_progress":
                assert time.monotonic() < deadline, "the task does not end"
            result = client.send(Request("get", f"/job/get?task_id={task}", method="GET"))
            results.append((submitted.status, result.status, result.body))
    plain, observed = results
    assert observed == plain == (200, 200, b"From Rags To Riches")


def test_a_stream_that_breaks_breaks_alike(servers: tuple[BentoServer, BentoServer]) -> None:
    """What came before the error is delivered; what the client sees then is the same."""
    seen = []
    for server in servers:
        with Client(server.port) as client:
            try:
                seen.append(_comparable(client._send(_json("/broken_stream"))))
            except Exception as error:  # noqa: BLE001 - the kind of error is what is compared
                seen.append((type(error), getattr(error, "partial", None)))
    assert seen[1] == seen[0]


def test_web_sockets_of_a_mounted_application_work(servers: tuple[BentoServer, BentoServer]) -> None:
    """Messages go to and fro, and the console tells of the connection as it does without us."""
    for server in servers:
        with connect_ws(f"{server.url}/mounted/socket") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "HELLO"
        server.wait_for_output("(scheme=ws,path=/mounted/socket) - Client disconnected")


_VARYING = (
    (r"trace=[0-9a-f]+,span=[0-9a-f]+,sampled=[01],", "IDS,"),
    (r"task_id=[0-9a-f-]+", "TASK"),
)


def test_the_console_output_is_the_same() -> None:
    """Access lines, the user's log lines, tracebacks: the same lines in the same format, each as often."""
    with Sink() as sink, plain_and_observed("everything:Everything", sink.environment()) as servers:
        outputs = []
        for server in servers:
            with Client(server.port) as client:
                for request in REQUESTS:
                    client.send(request)
                client.send(_json("/telemetry", number=3))
            server.stop()
            outputs.append(lines(server.output, _VARYING))
        plain, observed = outputs
        assert sum(plain.values()) > len(REQUESTS)
        assert observed - plain == Counter()
        assert plain - observed == Counter()
