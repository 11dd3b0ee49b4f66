"""Plain requests to servers on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import urllib3

_TIMEOUT_S = 30.0


def status(url: str, timeout: float = 2.0) -> int:
    """The HTTP status of a GET; 0 if nobody answers in time."""
    try:
        return _request("GET", url, timeout=timeout).status
    except urllib3.exceptions.HTTPError:
        return 0


def get_json(url: str, fields: Mapping[str, str] | None = None, timeout: float = _TIMEOUT_S) -> Any:
    """GET a JSON document.

    Raises:
        OSError: if nobody answers, or answers with an error or with something else than JSON.
    """
    return _json("GET", url, fields=dict(fields or {}), timeout=timeout)


def send_json(method: str, url: str, body: object = None, timeout: float = _TIMEOUT_S) -> Any:
    """Send a JSON document, if any, and return the one in the answer; the errors are those of `get_json`."""
    return _json(method, url, timeout=timeout, **({} if body is None else {"json": body}))


def _json(method: str, url: str, **request: Any) -> Any:
    try:
        response = _request(method, url, **request)
    except urllib3.exceptions.HTTPError as error:
        raise OSError(f"{method} {url}: {error}") from error
    text = response.data.decode(errors="replace")
    if response.status >= 400:
        raise OSError(f"{method} {url}: {response.status} {text[:500]}")
    try:
        return json.loads(text)
    except ValueError as error:
        raise OSError(f"{method} {url}: not JSON: {text[:200]}") from error


def _request(method: str, url: str, **request: Any) -> urllib3.BaseHTTPResponse:
    # A connection for each request: one that was kept from before a server's restart is dead.
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request(method, url, **request)
