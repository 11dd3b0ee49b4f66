"""Files and images: their number, size and kind are on the decode span, their content and names nowhere."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from raw import Part, Raw, body, multipart
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Request

_NAME, _CONTENT = "ada-lovelace-passport", b"1815-12-10 London"


def image(kind: str, width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with (
        Sink() as sink,
        BentoServer("descriptors:Descriptors", {**sink.environment(), **SETTINGS}, prefix="/v1") as server,
    ):
        yield Scene(server, sink)


def decoded(scene: Scene, request: Raw) -> dict[str, Any]:
    """The files as the decode span of a request has them."""
    answer = scene.send(Request(request.kind, request.path, request.body, headers=dict(request.headers)))
    assert answer.status == 200, answer.body
    (_, decode, *_) = scene.trace(answer.trace_id)
    assert decode.name == "decode"
    wanted = ("bentoml.api.file.", "bentoml.api.image.")
    return {key.removeprefix("bentoml.api."): v for key, v in decode.attributes.items() if key.startswith(wanted)}


def test_a_file_has_a_size_and_a_type(scene: Scene) -> None:
    parts = Part("file", b"x" * 5000, f"{_NAME}.bin", "application/pdf; q=1"), Part("title", b"t")
    assert decoded(scene, multipart("/v1/document", "a file", *parts)) == {
        "file.count": 1, "file.parameters": ["file"], "file.sizes": [5000], "file.types": ["application/pdf"],
    }  # fmt: skip


def test_each_image_has_its_format_and_its_dimensions(scene: Scene) -> None:
    """The format is what it is, not what it is said to be; they are not decoded for it."""
    png, jpeg = image("PNG", 4, 3), image("JPEG", 50, 70)
    parts = Part("images", png, f"{_NAME}.png", "image/png"), Part("images", jpeg, "b.jpg", "application/octet-stream")
    assert decoded(scene, multipart("/v1/pictures", "images", *parts)) == {
        "file.count": 2,
        "file.parameters": ["images", "images"],
        "file.sizes": [len(png), len(jpeg)],
        "file.types": ["image/png", "image/jpeg"],
        "image.widths": [4, 50],
        "image.heights": [3, 70],
    }


@pytest.mark.parametrize("given", ["image/png", "image/anything"])
def test_an_image_that_is_the_body(scene: Scene, given: str) -> None:
    png = image("PNG", 7, 5)
    found = decoded(scene, body("/v1/root_picture", "an image", png, given))
    assert (found["file.sizes"], found["file.types"]) == ([len(png)], ["image/png"])
    assert (found["image.widths"], found["image.heights"]) == ([7], [5])


def test_a_file_that_is_the_body(scene: Scene) -> None:
    assert decoded(scene, body("/v1/root_document", "a file", _CONTENT, "audio/mpeg")) == {
        "file.count": 1, "file.parameters": ["root"], "file.sizes": [len(_CONTENT)], "file.types": ["audio/mpeg"],
    }  # fmt: skip


def test_many_files_are_counted_and_the_first_are_told(scene: Scene) -> None:
    parts = [Part("files", b"z" * number, f"{number}.txt", "text/plain") for number in range(30)]
    found = decoded(scene, multipart("/v1/documents", "files", *parts))
    assert found["file.count"] == 30
    assert found["file.sizes"] == list(range(16))


def test_a_type_that_a_client_makes_up_is_unknown(scene: Scene) -> None:
    """What is no media type may be anything."""
    parts = Part("file", b"x", "a.txt", "my own <words>"), Part("title", b"t")
    assert decoded(scene, multipart("/v1/document", "a file", *parts))["file.types"] == ["unknown"]


def test_apis_without_files_have_none_of_it(scene: Scene) -> None:
    assert decoded(scene, body("/v1/model", "a model", b'{"point": {"x": 1}}')) == {}


def test_neither_names_nor_content_leave(scene: Scene) -> None:
    """Of all that was sent above."""
    everything = repr([scene.sink.spans(), scene.sink.logs(), scene.sink.points()])
    assert _NAME not in everything
    assert _CONTENT.decode() not in everything


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    scene.nothing_went_wrong()
