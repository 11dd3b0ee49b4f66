"""Files and images that a request carries: how large and of what kind. Never their content, never their names."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bento_observe import semconv
from bento_observe.request import StageSpan

__all__ = ["Describe", "describe_files"]

Describe = Callable[[StageSpan, Any, Any], Awaitable[None]]
"""(the decode stage, the request, what was decoded)"""

_MAX_FILES = 16  # of one request, told one by one; all are counted
_TYPE = re.compile(r"[a-z0-9][\w.+-]{0,31}/[a-z0-9][\w.+-]{0,63}")
_UNKNOWN = "unknown"


def describe_files(spec: Any) -> Describe | None:
    """What describes the files of an input specification's requests on a span; None where it takes none."""
    fields: Sequence[str] = tuple(getattr(spec, "multipart_fields", None) or ())
    if not fields:
        return None

    async def describe(stage: StageSpan, request: Any, decoded: Any) -> None:
        found = [file for field in fields for file in _files(field, await _parts(request, field), decoded)]
        if not found:
            return
        told = found[:_MAX_FILES]
        stage.set_attribute(semconv.FILE_COUNT, len(found))
        stage.set_attribute(semconv.FILE_PARAMETERS, [file[0] for file in told])
        stage.set_attribute(semconv.FILE_SIZES, [file[1] for file in told])
        stage.set_attribute(semconv.FILE_TYPES, [file[2] for file in told])
        if any(file[3] for file in told):
            stage.set_attribute(semconv.IMAGE_WIDTHS, [file[3] for file in told])
            stage.set_attribute(semconv.IMAGE_HEIGHTS, [file[4] for file in told])

    return describe


async def _parts(request: Any, field: str) -> list[tuple[int, str]]:
    """Size and declared type of the files of one field. BentoML has read them: nothing is read here."""
    declared = request.headers.get("content-type", "")
    if declared.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        uploads = (await request.form()).getlist(field)
        return [(upload.size or 0, upload.content_type or "") for upload in uploads if not isinstance(upload, str)]
    return [(len(await request.body()), declared)]


def _files(field: str, parts: list[tuple[int, str]], decoded: Any) -> list[tuple[str, int, str, int, int]]:
    """Parameter, size, type, width and height of each file of a field; a size in pixels of 0 is that of no image."""
    value = getattr(decoded, field, None)
    values = value if isinstance(value, list) else [value]
    found = []
    for number, (size, declared) in enumerate(parts):
        kind = declared.partition(";")[0].strip().lower()
        width = height = 0
        image: Any = values[number] if number < len(values) else None
        if hasattr(image, "format") and hasattr(image, "size"):  # PIL knows both without decoding the image
            kind = f"image/{image.format}".lower() if image.format else kind
            width, height = image.size
        found.append((field, size, kind if _TYPE.fullmatch(kind) else _UNKNOWN, width, height))
    return found
