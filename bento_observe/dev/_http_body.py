"""Bodies of HTTP requests, up to a size."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request

from bento_observe.dev._protocol import MAX_BODY_BYTES

__all__ = ["RefusedError", "read_body"]


class RefusedError(Exception):
    """A request that is answered with `status` and the message."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: Request) -> bytes:
    """The whole body as it was sent; `RefusedError` when it is larger than an export request may be."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MAX_BODY_BYTES} bytes")
    return bytes(body)
