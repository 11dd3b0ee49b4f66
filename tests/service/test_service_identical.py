"""With `@observe` and without: the same bytes on the wire, for every descriptor, option and mistake."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator

import pytest
from PIL import Image
from raw import Part, Raw, answer, body, call, multipart
from server import BentoServer, plain_and_observed
from sink import Sink


def _image(kind: str, size: tuple[int, int] = (4, 3)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "green").save(buffer, kind)
    return buffer.getvalue()


_PNG, _JPEG = _image("PNG"), _image("JPEG", (5, 7))
_FORM = "application/x-www-form-urlencoded"
_TEXT, _OCTETS = "text/plain", "application/octet-stream"

RIGHT = [
    call("/v1/scalars", a=1),
    call("/v1/scalars", "all scalars", a=-1, b=2, c=True, d="d", e="y", f="red"),
    call("/v1/scalars", "coerced", a="7", b="1e3", c="yes"),
    call("/v1/times", when="2026-01-02T03:04:05Z", ident="12345678123456781234567812345678", price="1.10"),
    call("/v1/constrained", count=10, names=["a"]),
    call("/v1/constrained", "constrained, all", count=0, names=["a", "b"], ratio=0.1, tags=[]),
    body("/v1/shout", "text", "grün".encode(), _TEXT),
    body("/v1/shout", "text as JSON", b'"hello"'),
    body("/v1/raw", "bytes", b"\x00\x01plain", _OCTETS),
    call("/v1/nothing"),
    Raw("no body, no type", "/v1/nothing"),
    call("/v1/untyped", value={"any": ["thing", 1, None]}),
    call("/v1/several_words", args=["a", "b"]),
    call("/v1/anything", kwargs={"a": 1}),
    call("/v1/array", values=[[1, 2], [3.5, 4]]),
    call("/v1/array", "an empty array", values=[]),
    call("/v1/array", "a scalar as an array", values=3),
    call("/v1/array", "numbers without end", values=[float("nan"), float("inf")]),
    call("/v1/typed_array", values=[1, 2, 3]),
    call("/v1/shaped", values=[[1, 2, 3], [4, 5, 6]]),
    call("/v1/shaped", "reshaped", values=[1, 2, 3, 4, 5, 6]),
    body("/v1/root_array", "a root array", b"[[1, 2], [3, 4]]"),
    call("/v1/arrays", parts=[[1], [2, 3]], named={"x": [4]}),
    call("/v1/frame", df=[{"a": 1, "b": 2.5}, {"a": 3, "b": None}]),
    call("/v1/frame", "a frame by columns", df={"a": [1, 2], "b": [3, 4]}),
    call("/v1/frame", "a frame of texts", df=[{"a": "x"}]),
    call("/v1/columns", df={"a": [1, 2], "b": [3, 4], "c": [5, 6]}),
    body("/v1/root_frame", "a root frame", b'[{"a": 1}, {"a": 2}]'),
    call("/v1/model", point={"x": 1, "y": 2}),
    call("/v1/root_model", label="square", points=[{"x": 1}], colour="blue"),
    call("/v1/models", points=[{"x": 1}, {"x": 2, "y": 3}]),
    call("/v1/tensors", data=[[1, 2], [3, 4]], name="t"),
    call("/v1/specified", x=1),
    multipart("/v1/picture", "an image", Part("image", _PNG, "a.png", "image/png")),
    multipart("/v1/picture", "an image without a type", Part("image", _JPEG, "a.jpg")),
    body("/v1/root_picture", "an image as the body", _PNG, "image/png"),
    body("/v1/root_picture", "another one", _JPEG, "image/jpeg"),
    multipart(
        "/v1/pictures",
        "images and a text",
        Part("images", _PNG, "a.png", "image/png"),
        Part("images", _JPEG, "b.jpg", "image/jpeg"),
        Part("title", b"both"),
    ),
    call("/v1/png", side=3),
    multipart("/v1/document", "a file", Part("file", b"x" * 5000, "a.bin", _OCTETS), Part("title", b"t")),
    multipart(
        "/v1/document",
        "a file with a number",
        Part("title", b'"quoted"'),
        Part("number", b"7"),
        Part("file", b"", "empty.txt", _TEXT),
    ),
    multipart("/v1/document", "a large file", Part("file", b"y" * 2_000_000, "b.bin", _OCTETS), Part("title", b"t")),
    multipart("/v1/documents", "files", *(Part("files", b"z" * n, f"{n}.txt", _TEXT) for n in (1, 20))),
    body("/v1/root_document", "a file as the body", b"file\x00body", _OCTETS),
    multipart("/v1/audio", "a file of the right type", Part("file", b"ID3", "a.mp3", "audio/mpeg")),
    call("/v1/gives_file", name="answer.txt"),
    call("/v1/gives_file", "a file of no known type", name="answer.strange"),
    Raw(
        "a range of a file",
        "/v1/gives_file",
        b'{"name": "a.txt"}',
        headers=(("content-type", "application/json"), ("range", "bytes=5-9")),
    ),
    call("/v1/html"),
    call("/v1/pdf"),
    call("/v1/response", code=203),
    call("/v1/streaming_response"),
    call("/v1/context", name="Ada"),
    Raw(
        "a context with all in it",
        "/v1/context?q=1",
        b'{"name": "Ada"}',
        headers=(("content-type", "application/json; charset=utf-8"), ("cookie", "flavour=lemon"), ("x-a", "1")),
    ),
    call("/v1/called_context", name="Bob"),
    *(call("/v1/teapot_status", f"status {code}", code=code) for code in (200, 204, 304, 404, 418, 500, 503)),
    call("/v1/deep/route-with_signs.v2", text="a"),
    call("/v1/relays", text="abc"),
    *(call(f"/v1/{api}", f"{api} of {n}", count=n) for api in ("lines", "chunks", "points", "numbers") for n in (0, 3)),
    call("/v1/lines", "a long stream", count=2000),
    call("/v1/broken", "a stream that breaks", after=3),
    call("/v1/broken", "a stream that breaks at once", after=0),
    call("/v1/unfit"),
    call("/v1/returned", count=4),
    call("/v1/batch", rows=[{"x": 1}, {"x": 2}]),
    call("/v1/batch", "more than a batch", rows=[{"x": number} for number in range(20)]),
    call("/v1/batch", "an empty batch", rows=[]),
    call("/v1/batch_array", rows=[[1, 2], [3, 4]]),
    body("/v1/scalars", "in chunks", b'{"a": 12345}', chunked=True),
    body("/v1/scalars", "a form", b"a=5&d=text", _FORM),
    call("/v1/work", "a task called directly", text="abc"),
]

WRONG = [
    call("/v1/anything", "fields of its own", a=1, b=[2]),
    call("/v1/scalars", "no field"),
    call("/v1/scalars", "many wrong", a="x", b=[], c="perhaps", e="z", f="green"),
    call("/v1/times", "no times", when="yesterday", ident="1", price="cheap"),
    call("/v1/constrained", "out of bounds", count=11, names=[], ratio=1),
    body("/v1/shout", "text that is no text", b"\xff\xfe", _TEXT),
    body("/v1/raw", "bytes that are no text", b"\xff\xfe", _OCTETS),
    call("/v1/array", "a ragged array", values=[[1], [2, 3]]),
    call("/v1/array", "an array of words", values=["a", "b"]),
    call("/v1/typed_array", "a typed array of halves", values=["a"]),
    call("/v1/shaped", "not to be reshaped", values=[1, 2, 3, 4]),
    call("/v1/frame", "no frame", df=3),
    call("/v1/columns", "columns of unequal length", df={"a": [1], "b": [1, 2]}),
    call("/v1/model", "a model that refuses", point={"x": -1}),
    call("/v1/root_model", "a model that is wrong inside", label="s", points=[{"x": "a"}, {}], colour="pink"),
    call("/v1/tensors", "a tensor of another shape", data=[1, 2, 3]),
    call("/v1/specified", "against its specification", y="b"),
    multipart("/v1/picture", "no image", Part("image", b"not an image", "a.png", "image/png")),
    multipart("/v1/picture", "an image of another type", Part("image", _JPEG, "a.png", "image/png")),
    multipart("/v1/picture", "a wrong part", Part("other", _PNG, "a.png", "image/png")),
    body("/v1/root_picture", "a body that is no image", b"nothing", "image/png"),
    multipart("/v1/audio", "a file of the wrong type", Part("file", b"x", "a.txt", _TEXT)),
    multipart("/v1/document", "a file without its text", Part("file", b"x", "a.txt", _TEXT)),
    body("/v1/document", "half a form", b"--0123\r\ncontent-dis", "multipart/form-data; boundary=0123"),
    body("/v1/document", "a form without a boundary", b"--0123--", "multipart/form-data"),
    call("/v1/document", "a file as JSON", file="text", title="t"),
    call("/v1/wrong_output"),
    call("/v1/endless_output"),
    call("/v1/bad_batch", rows=[[1]]),
    *(
        call("/v1/fails", f"fails with {how}", how=how)
        for how in ("refused", "teapot", "argument", "busy", "given", "forbidden", "value", "exit", "unicode", "key")
    ),
    call("/v1/fails_to_validate"),
    body("/v1/scalars", "no JSON", b"{'a': 1}"),
    body("/v1/scalars", "JSON that is no object", b"[1]"),
    body("/v1/scalars", "deep JSON", b"[" * 5000 + b"]" * 5000),
    body("/v1/scalars", "a type nobody knows", b'{"a": 1}', "application/strange"),
    body("/v1/scalars", "pickle", b"\x80\x04.", "application/vnd.bentoml+pickle"),
    Raw("a wrong method", "/v1/scalars", method="GET"),
    Raw("HEAD", "/v1/scalars", method="HEAD"),
    Raw("DELETE", "/v1/scalars", method="DELETE"),
    Raw("without the prefix", "/scalars", b'{"a": 1}'),
    Raw("no such path", "/v1/none", b"{}"),
    Raw("a slash too many", "/v1/scalars/", b'{"a": 1}'),
    Raw("two slashes", "//v1/scalars", b'{"a": 1}'),
    Raw("a path in percents", "/v1/%73calars", b'{"a": 1}', headers=(("content-type", "application/json"),)),
    Raw("no such task", "/v1/work/status?task_id=none", method="GET"),
    Raw("no task at all", "/v1/work/get", method="GET"),
    Raw("cancelling no task", "/v1/work/cancel?task_id=none", method="PUT"),
    Raw("retrying no task", "/v1/work/retry?task_id=none"),
]

_PREFLIGHT = (("origin", "https://shop.example"), ("access-control-request-method", "POST"))
AROUND = [
    Raw("a preflight", "/v1/scalars", method="OPTIONS", headers=_PREFLIGHT),
    Raw(
        "a preflight from elsewhere",
        "/v1/scalars",
        method="OPTIONS",
        headers=(("origin", "https://b"), *_PREFLIGHT[1:]),
    ),
    Raw(
        "from the shop",
        "/v1/scalars",
        b'{"a": 1}',
        headers=(("content-type", "application/json"), ("origin", "https://shop.example")),
    ),
    *(
        Raw(f"GET {path}", path, method="GET")
        for path in (
            "/v1/livez", "/v1/readyz", "/v1/healthz", "/v1/", "/v1/docs.json", "/schema.json", "/",
            "/v1/fast/items/3?q=a", "/v1/fast/items/x", "/v1/fast/none", "/v1/fast/refuse", "/v1/fast/crash",
            "/v1/fast/openapi.json", "/v1/fast/docs", "/v1/star/users/ada", "/v1/star/stream",
            "/v1/star/nested/users/7", "/v1/star/nested/users/x", "/v1/star/files/switch.py", "/v1/star/files/none",
            "/v1/star/none", "/v1/wsgi/some/path", "/v1/wsgi/missing",
        )
    ),
    call("/v1/fast/orders", item="tea"),
    call("/v1/fast/orders", "an order that is wrong", count="x"),
    Raw("PUT to the mounted", "/v1/star/nested/users/7", method="PUT"),
    Raw("DELETE to the mounted", "/v1/star/nested/users/7", method="DELETE"),
    Raw("POST to WSGI", "/v1/wsgi/post", b"body"),
]  # fmt: skip


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[BentoServer, BentoServer]]:
    with Sink() as sink, plain_and_observed("descriptors:Descriptors", sink.environment(), "/v1") as pair:
        yield pair


def _same(servers: tuple[BentoServer, BentoServer], request: Raw) -> int:
    """The status that both servers answered with, after comparing everything else."""
    plain, observed = (answer(server.port, request) for server in servers)
    assert plain[0], "no answer"
    assert _without_port(observed) == _without_port(plain)
    return int(plain[0][0].split()[1])


@pytest.mark.parametrize("request_", RIGHT, ids=lambda request: request.kind)
def test_right_requests_have_the_same_answer_byte_by_byte(
    servers: tuple[BentoServer, BentoServer], request_: Raw
) -> None:
    """Status line, all headers in their order, body with its chunks; but for the date and the ids of the request."""
    wanted = 500 if request_.kind == "a stream that breaks at once" else 200
    status = _same(servers, request_)
    assert request_.path == "/v1/teapot_status" or status // 100 == wanted // 100


@pytest.mark.parametrize("request_", [*WRONG, *AROUND], ids=lambda request: request.kind)
def test_wrong_requests_and_others_have_the_same_answer(
    servers: tuple[BentoServer, BentoServer], request_: Raw
) -> None:
    """Invalid input, handlers that fail, BentoML's own routes, CORS, mounted applications."""
    _same(servers, request_)


def _without_port(given: tuple[list[bytes], bytes]) -> tuple[list[bytes], bytes]:
    """The service's own address is in redirects."""
    return [re.sub(rb"127\.0\.0\.1:\d+", b"ADDRESS", line) for line in given[0]], given[1]


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/v1/work", {"text": "abc"}, b"200"),
        ("/v1/bad_work", {"how": "argument"}, b"400"),
        ("/v1/bad_work", {"how": "value"}, b"500"),
    ],
)
def test_a_task_gives_the_same_answers(
    servers: tuple[BentoServer, BentoServer], path: str, fields: dict[str, str], expected: bytes
) -> None:
    """Submitted, looked at, fetched, cancelled too late, run again and fetched again."""
    pair = [_task(server.port, path, fields) for server in servers]
    assert pair[1] == pair[0]
    statuses = [head[0].split()[1] for head, _ in pair[0]]
    assert statuses == [b"200", b"200", expected, b"400", b"200", expected]  # cancelling is not supported locally


def _task(port: int, path: str, fields: dict[str, str]) -> list[tuple[list[bytes], bytes]]:
    answers = [answer(port, call(f"{path}/submit", **fields))]
    task = _task_id(answers[-1][1])
    _wait_for(port, path, task)
    for method, what in (("GET", "status"), ("GET", "get"), ("PUT", "cancel"), ("POST", "retry")):
        answers.append(answer(port, Raw(what, f"{path}/{what}?task_id={task}", method=method)))
    again = _task_id(answers[-1][1])
    _wait_for(port, path, again)
    answers.append(answer(port, Raw("get", f"{path}/get?task_id={again}", method="GET")))
    varying = rb"[0-9a-f]{32}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?"
    return [([re.sub(varying, b"ID", line) for line in head], re.sub(varying, b"ID", text)) for head, text in answers]


def _task_id(text: bytes) -> str:
    found = re.search(rb'"task_id":"([0-9a-f]{32})"', text)
    assert found, text
    return found[1].decode()


def _wait_for(port: int, path: str, task: str) -> None:
    deadline = time.monotonic() + 10
    while b"in_progress" in answer(port, Raw("status", f"{path}/status?task_id={task}", method="GET"))[1]:
        assert time.monotonic() < deadline, "the task does not end"
