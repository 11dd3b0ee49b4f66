"""OTLP over HTTP on a loopback port, which answers queries too."""

from __future__ import annotations

import threading
import zlib
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bento_observe.dev._http_body import RefusedError, read_body
from bento_observe.dev._loopback import HOST, listen
from bento_observe.dev._protocol import MAX_BODY_BYTES, SERVICES, Service, parse_json, parse_protobuf
from bento_observe.dev._query_http import QUERY_PATH, query_endpoint
from bento_observe.dev._store import Store

__all__ = ["HttpServer"]

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_RETRY_S: Final = 1
_STOP_S: Final = 2


class HttpServer:
    """Serves from construction until `close`, at `port`; `token` is what a query has to bring."""

    def __init__(self, store: Store, port: int, token: str, *, otherwise_free: bool = False) -> None:
        self._socket = listen(port, otherwise_free=otherwise_free)
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            _application(store, token),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_STOP_S,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="bento-observe-dev-http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answers what is being received, then stops."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def _application(store: Store, token: str) -> Starlette:
    routes = [Route(service.path, _export(service, store), methods=["POST"]) for service in SERVICES]
    routes.append(Route(QUERY_PATH, query_endpoint(store, token), methods=["POST"]))
    # A page in a browser can point a name of its own at the loopback address; it can't choose the Host header.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)
    return Starlette(routes=routes, middleware=[hosts])


def _export(service: Service, store: Store) -> Any:
    async def export(request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if media_type not in (_PROTOBUF, _JSON):
                raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {_PROTOBUF} or {_JSON}")
            body = _uncompressed(await read_body(request), request.headers.get("content-encoding", "identity"))
            parse = parse_json if media_type == _JSON else parse_protobuf
            message = parse(service, body)
            if not store.offer(service.signal, message, len(body)):
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the receiver's queue is full")
        except RefusedError as refusal:
            return _refusal(refusal.status, str(refusal), media_type)
        except ValueError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, str(error), media_type)
        return Response(_encoded(service.response(), media_type), media_type=media_type)

    return export


def _uncompressed(body: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send gzip or no Content-Encoding")
    reader = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = reader.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise ValueError(f"not gzip: {error}") from error
    if reader.unconsumed_tail:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MAX_BODY_BYTES} bytes, uncompressed")
    if not reader.eof:
        raise ValueError("not gzip: the end is missing")
    return plain


def _refusal(status: HTTPStatus, message: str, media_type: str) -> Response:
    headers = {"Retry-After": str(_RETRY_S)} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    media_type = media_type if media_type == _JSON else _PROTOBUF
    return Response(_encoded(Status(message=message), media_type), status, headers, media_type)


def _encoded(message: Any, media_type: str) -> bytes:
    return json_format.MessageToJson(message).encode() if media_type == _JSON else message.SerializeToString()
