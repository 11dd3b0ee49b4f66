"""Plain requests to the servers; a name and a password in a URL are sent as HTTP basic authentication."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

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


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub("//[^/]*@", "//", url, count=1)


def _json(method: str, url: str, **request: Any) -> Any:
    try:
        response = _request(method, url, **request)
    except urllib3.exceptions.HTTPError as error:
        raise OSError(f"{method} {without_password(url)}: {error}") from error
    url = without_password(url)
    text = response.data.decode(errors="replace")
    if response.status >= 400:
        raise OSError(f"{method} {url}: {response.status} {text[:500]}")
    try:
        return json.loads(text)
    except ValueError as error:
        raise OSError(f"{method} {url}: not JSON: {text[:200]}") from error


def _request(method: str, url: str, **request: Any) -> urllib3.BaseHTTPResponse:
    headers = {}
    if auth := urllib3.util.parse_url(url).auth:
        headers["authorization"] = f"Basic {base64.b64encode(unquote(auth).encode()).decode()}"
    # A connection for each request: one that was kept from before a server's restart is dead.
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request(method, without_password(url), headers=headers, **request)
