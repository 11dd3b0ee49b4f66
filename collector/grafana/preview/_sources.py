"""The servers behind the data sources, and plain requests to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import urllib3

__all__ = ["Sources", "ask"]

_TIMEOUT_S = 30.0
_SHOWN = 400
_POOL = urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S, maxsize=4)


@dataclass(frozen=True)
class Sources:
    """Where the servers are, and what `provisioning/datasources` says of them.

    Attributes:
        prometheus: URL.
        elasticsearch: URL.
        jaeger: URL of the query API.
        interval: Prometheus' `timeInterval`: how often services send their metrics.
        index: Elasticsearch's index pattern.
        time_field: The field that its documents' time is in.
    """

    prometheus: str
    elasticsearch: str
    jaeger: str
    interval: str = "15s"
    index: str = "logs-*.otel-*"
    time_field: str = "@timestamp"


def ask(url: str, fields: Sequence[tuple[str, str]] = (), *, method: str = "GET", body: bytes | None = None) -> Any:
    """The JSON that a server answers with; fields of a POST are sent as a form.

    Raises:
        OSError: nobody answers, or with an error, or with something else.
    """
    try:
        if body is not None:
            response = _POOL.request(method, url, body=body, headers={"content-type": "application/x-ndjson"})
        elif method == "POST":
            response = _POOL.request_encode_body(method, url, list(fields), encode_multipart=False)
        else:
            response = _POOL.request(method, url, fields=list(fields))
    except urllib3.exceptions.HTTPError as error:
        raise OSError(f"{url}: {error}") from error
    text = response.data.decode(errors="replace")
    if response.status >= 400:
        raise OSError(f"{response.status} {text[:_SHOWN]}")
    try:
        return json.loads(text)
    except ValueError as error:
        raise OSError(f"{url}: not JSON: {text[:_SHOWN]}") from error
