"""OTLP over HTTP with protobuf bodies."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import urllib3

from bento_observe.settings import Endpoint
from bento_observe.telemetry._transport import USER_AGENT, Outcome, outcome_of, response_class

__all__ = ["HttpTransport"]

_RETRYABLE = {429, 502, 503, 504}


class HttpTransport:
    """One kept-alive connection for one signal."""

    def __init__(self, signal: str, endpoint: Endpoint) -> None:
        tls: dict[str, Any] = {}
        if endpoint.certificate:
            tls["ca_certs"] = endpoint.certificate
        if endpoint.client_certificate:
            tls["cert_file"] = endpoint.client_certificate
        if endpoint.client_key:
            tls["key_file"] = endpoint.client_key
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, **tls)
        self._url = endpoint.url
        self._response = response_class(signal)
        compressors: dict[str, Callable[[bytes], bytes]] = {"gzip": _gzip, "deflate": zlib.compress}
        self._compress = compressors.get(endpoint.compression)
        self._headers = {"content-type": "application/x-protobuf", "user-agent": USER_AGENT}
        if self._compress is not None:
            self._headers["content-encoding"] = endpoint.compression
        self._headers.update(endpoint.headers)

    def send(self, payload: bytes, timeout: float) -> Outcome:
        body = payload if self._compress is None else self._compress(payload)
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers=self._headers,
                timeout=urllib3.Timeout(total=timeout),
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return Outcome(accepted=False, reason=_reason(error), retry_after=0.0)
        if answer.status < 300:
            try:
                return outcome_of(self._response.FromString(answer.data))
            except Exception:  # noqa: BLE001 - accepted all the same: some backends answer 200 with a text of their own
                return Outcome(accepted=True)
        if answer.status in _RETRYABLE:
            return Outcome(accepted=False, reason=f"http_{answer.status}", retry_after=_retry_after(answer.headers))
        return Outcome(accepted=False, reason=f"http_{answer.status}")

    def close(self) -> None:
        self._pool.clear()


def _gzip(payload: bytes) -> bytes:
    return gzip.compress(payload, compresslevel=1)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"tls: {error}"[:200]
    return "timeout" if isinstance(error, urllib3.exceptions.TimeoutError) else "unreachable"


def _retry_after(headers: Any) -> float:
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:  # an HTTP date: the sender's own pace will do
        return 0.0
