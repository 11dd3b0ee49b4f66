"""Predictions in Elasticsearch, asked for by their ids."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import urllib3
from opentelemetry.instrumentation.utils import suppress_instrumentation

from bento_observe import semconv
from bento_observe._prediction_store import PredictionStore

__all__ = ["AT_ONCE", "TIME", "Elasticsearch", "StoreError", "attribute"]

AT_ONCE: Final = 1000
"""Ids in one request: Elasticsearch answers some ten thousand documents at most, and takes longer the more it has to
answer."""

TIME: Final = "@timestamp"

_TRIES: Final = 3
_FIRST_PAUSE: Final = 0.1
_QUIET_SECONDS: Final = 1.0
_AGAIN: Final = (429, 502, 503, 504)
_LOGIN: Final = (401, 403)
_AT_LEAST: Final = 0.05
_MOST_BYTES: Final = 16 << 20
_PART: Final = 1 << 16


class StoreError(Exception):
    """Elasticsearch does not answer, or not with what was asked for."""


def attribute(name: str) -> str:
    """The field of an event's attribute."""
    return f"attributes.{name}"


class Elasticsearch:
    """Looks predictions of one service up. Safe to use from any thread; blocks, at most `store.timeout` seconds.

    Once it has failed it is left alone for a second, in which every look-up fails at once: who sends labels is told
    so then, and no thread stands still for a server that is away.

    Args:
        store: where it is.
        service: the `service.name` whose predictions are looked for.
        environment: likewise its `deployment.environment.name`; empty: of any.
    """

    def __init__(self, store: PredictionStore, service: str, environment: str = "") -> None:
        self._store = store
        self._url = (
            f"{store.url}/{store.index}/_search?ignore_unavailable=true&allow_no_indices=true"
            "&allow_partial_search_results=false&filter_path=hits.hits.fields,timed_out,_shards.failed"
        )
        self._headers = {"content-type": "application/json", **_login(store)}
        tls: dict[str, Any] = {"ca_certs": store.certificate} if store.certificate else {}
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=8, retries=False, **tls)
        self._of_service = [_term(f"resource.attributes.{semconv.SERVICE_NAME}", service)]
        if environment:
            self._of_service.append(_term(f"resource.attributes.{semconv.DEPLOYMENT_ENVIRONMENT_NAME}", environment))
        self._quiet_until = 0.0
        self._closing = threading.Event()

    def close(self) -> None:
        """Try nothing again."""
        self._closing.set()

    def find(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """The events with these ids, `AT_ONCE` at most: id -> the fields, each a list of its values.

        Of several with one id the first.

        Raises:
            StoreError: there was no answer in time, or none that makes sense.
        """
        if time.monotonic() < self._quiet_until:
            raise StoreError("it did not answer a moment ago")
        try:
            return self._find(ids)
        except StoreError:
            self._quiet_until = time.monotonic() + _QUIET_SECONDS
            raise

    def _find(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        field = attribute(semconv.ML_PREDICTION_ID)
        asked = {
            "size": len(ids),
            "_source": False,
            "track_total_hits": False,
            "timeout": f"{int(self._store.timeout * 1000)}ms",
            "query": {"bool": {"filter": [{"terms": {field: list(ids)}}, *self._of_service]}},
            # What was sent twice, as a Collector may do after a fault, is there twice.
            "collapse": {"field": field},
            "sort": [{TIME: "asc"}],
            "fields": [{"field": TIME, "format": "epoch_millis"}, attribute("ml.*"), attribute(semconv.API_NAME)],
        }
        answer = self._answer(json.dumps(asked).encode())
        try:
            if answer.get("timed_out") or answer.get("_shards", {}).get("failed"):
                raise StoreError("a part of it did not answer in time")
            found = [hit["fields"] for hit in answer.get("hits", {}).get("hits", ())]
            return {fields[field][0]: fields for fields in found}
        except (AttributeError, KeyError, TypeError, IndexError):
            raise StoreError("what answers is not Elasticsearch") from None

    def _answer(self, body: bytes) -> Any:
        """The JSON that it answers with; what is worth it is tried again, while there is time."""
        deadline = time.monotonic() + self._store.timeout
        pause = _FIRST_PAUSE
        for attempt in range(1, _TRIES + 1):
            timeout = urllib3.Timeout(total=max(deadline - time.monotonic(), _AT_LEAST))
            try:
                with suppress_instrumentation():
                    answer = self._pool.request(
                        "POST", self._url, body=body, headers=self._headers, timeout=timeout, redirect=False,
                        preload_content=False,
                    )  # fmt: skip
                    data = _read(answer, deadline)
            except urllib3.exceptions.HTTPError as error:
                fault = _fault(error)
            else:
                if answer.status == 200:
                    return _json(data)
                text = " ".join(data[:200].decode(errors="replace").split())
                fault = f"it answers {answer.status}: {text}"
                if answer.status in _LOGIN:
                    raise StoreError(
                        f"it wants another login; set BENTO_OBSERVE_PREDICTIONS_API_KEY, or _USER: {fault}"
                    )
                if answer.status not in _AGAIN:
                    raise StoreError(fault)
            if attempt == _TRIES or time.monotonic() + pause >= deadline or self._closing.wait(pause):
                break
            pause *= 2
        raise StoreError(fault)


def _login(store: PredictionStore) -> dict[str, str]:
    if store.api_key:
        return {"authorization": f"ApiKey {store.api_key}"}
    if store.user:
        encoded = base64.b64encode(f"{store.user}:{store.password}".encode()).decode()
        return {"authorization": f"Basic {encoded}"}
    return {}


def _term(field: str, value: str) -> dict[str, Any]:
    return {"term": {field: value}}


def _read(answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The body.

    Raises:
        StoreError: it is none of Elasticsearch's, which are small, or comes too slowly.
    """
    data = bytearray()
    while part := answer.read1(_PART):
        data += part
        if len(data) > _MOST_BYTES or time.monotonic() > deadline:
            answer.close()
            raise StoreError("what it answers does not end")
    answer.release_conn()
    return bytes(data)


def _fault(error: Exception) -> str:
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # which is a time-out to urllib3
    if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
        return "it did not answer in time"
    tls = isinstance(error, urllib3.exceptions.SSLError)
    return f"it cannot be reached ({f'TLS: {error}'[:200] if tls else type(error).__name__})"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise StoreError("what answers is not Elasticsearch") from None
