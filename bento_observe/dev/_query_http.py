"""Read-only SQL over HTTP, for a second terminal: DuckDB gives its file to one process at a time."""

from __future__ import annotations

import hmac
import json
import math
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from bento_observe.dev._errors import QueryError
from bento_observe.dev._http_body import RefusedError, read_body
from bento_observe.dev._store import Store

__all__ = ["QUERY_PATH", "query_endpoint"]

QUERY_PATH: Final = "/query"

_ROWS: Final = 10_000
"""Rows of an answer at most."""


def query_endpoint(store: Store, token: str) -> Any:
    """What answers a POST of `{"sql": ..., "parameters": ...}` from who brings `token`."""

    async def query(request: Request) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            return _document({"error": "the token of this receiver is missing"}, HTTPStatus.UNAUTHORIZED)
        try:
            asked = json.loads(await read_body(request))
            if not isinstance(asked, dict) or not isinstance(asked.get("sql"), str):
                raise ValueError('send {"sql": "select ..."}')
            answer = await run_in_threadpool(store.select, asked["sql"], asked.get("parameters"), limit=_ROWS)
        except RefusedError as refusal:
            return _document({"error": str(refusal)}, refusal.status)
        except (QueryError, ValueError) as error:
            return _document({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        except TimeoutError as error:
            return _document({"error": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE)
        rows = [[_plain(value) for value in row] for row in answer.rows]
        return _document({"columns": answer.columns, "rows": rows, "truncated": answer.truncated})

    return query


def _document(document: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(json.dumps(document, default=str), status, media_type="application/json")


def _plain(value: Any) -> Any:
    """A value of DuckDB's as JSON has it: no NaN, no keys but strings."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
