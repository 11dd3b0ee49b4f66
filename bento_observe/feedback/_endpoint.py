"""`POST /observe/labels`: labels by HTTP, one or many in a body of JSON."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Final

from bento_observe import semconv
from bento_observe.feedback._matching import Matcher
from bento_observe.feedback._thread import DaemonThreads
from bento_observe.telemetry import Health

__all__ = ["LABEL_PATH", "MAX_BODY", "LabelEndpoint"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

LABEL_PATH: Final = "/observe/labels"
MAX_BODY: Final = 1 << 20
"""Bytes; some 5,000 labels. Reading JSON keeps the event loop waiting, so there is not more of it at once."""

_BODY_SECONDS: Final = 30.0
_MAX_LABELS: Final = 20_000

_MOST_READ: Final = 64 << 20
_MAX_AT_ONCE: Final = 8
_MAX_ERRORS: Final = 100
_SOON: Final = ((b"retry-after", b"1"),)
_STEP: Final = 2000
_SHAPES: Final = 'send {"id": ..., "label": ...}, a list of such, or {"ids": [...], "labels": [...]}'


class _RefusedError(Exception):
    """The whole request is refused: `status`, and what is wrong with it."""

    def __init__(self, status: int, error: str, headers: Headers = ()) -> None:
        super().__init__(error)
        self.status = status
        self.headers = headers


class LabelEndpoint:
    """Answers requests for `path`, and passes all others on to `app`.

    It is inside of the user's middlewares, so that those authenticate who sends labels, and outside of BentoML's limits
    of concurrency and time, which are those of predictions. It has its own: eight requests at once, `MAX_BODY` bytes
    each, matched by one thread.

    Where ids are looked up, `patience` are the seconds that a request waits for predictions which are not there yet.
    Then each has a thread, for it is the others' answers that would have to wait.
    """

    def __init__(self, app: App, path: str, matcher: Matcher, health: Health, patience: float | None = None) -> None:
        self._app = app
        self._path = path
        self._matcher = matcher
        self._health = health
        self._at_once = 0
        self._patience = patience
        self._threads = DaemonThreads("bento-observe-labels", 1 if patience is None else _MAX_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        try:
            status, answer, headers = await self._answer(scope, receive)
        except _RefusedError as refused:
            status, answer, headers = refused.status, {"error": str(refused)}, refused.headers
        body = json.dumps(answer).encode()
        fixed = (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any], Headers]:
        if scope["method"] != "POST":
            raise _RefusedError(405, "labels are sent with POST", ((b"allow", b"POST"),))
        kind = dict(scope["headers"]).get(b"content-type", b"application/json").split(b";")[0].strip().lower()
        if kind != b"application/json":
            raise _RefusedError(415, "labels are JSON: content-type has to be application/json")
        if self._at_once >= _MAX_AT_ONCE:
            raise _RefusedError(429, "too many requests with labels at once: try again", _SOON)
        self._at_once += 1
        try:
            body = await asyncio.wait_for(_body(receive), _BODY_SECONDS)
        except BaseException as error:
            self._at_once -= 1
            if isinstance(error, asyncio.TimeoutError):
                raise _RefusedError(408, f"the body did not come within {_BODY_SECONDS:g} s") from None
            raise
        work = self._threads.submit(partial(self._take, body))
        # Not when nobody waits any more: a body that still is to be matched takes its place.
        work.add_done_callback(self._leave)
        found: tuple[int, dict[str, Any], Headers] = await asyncio.shield(work)
        return found

    def _leave(self, _work: object) -> None:
        self._at_once -= 1

    def _take(self, body: bytes) -> tuple[int, dict[str, Any], Headers]:
        """Match what a body says. Runs in a thread of the endpoint's."""
        ids, labels = _pairs(body)
        if max(len(ids), len(labels)) > _MAX_LABELS:
            raise _RefusedError(413, f"more than {_MAX_LABELS} labels: send fewer at once")
        matched = 0
        refused: dict[int, str] = {}
        until = 0.0 if self._patience is None else time.monotonic() + self._patience
        try:
            for start in range(0, max(len(ids), len(labels)), _STEP):
                found = self._matcher.take(ids[start : start + _STEP], labels[start : start + _STEP], until)
                matched += found.matched
                refused.update((start + position, reason) for position, reason in found.refused.items())
        except Exception:  # noqa: BLE001 - the sender can try again: what was matched is known then
            self._health.error("labels")
            raise _RefusedError(500, "labels could not be matched; send them again") from None
        again = Counter(reason for reason in refused.values() if reason in semconv.LABELS_AGAIN)
        for reason, count in again.items():
            self._matcher.refuse(reason, count)
        answer: dict[str, Any] = {"matched": matched, "refused": Counter(refused.values())}
        # Who sends once more what got no answer has done nothing wrong.
        wrong = sorted(item for item in refused.items() if item[1] != semconv.LABEL_DUPLICATE)
        if not wrong:
            return 200, answer, ()
        answer["errors"] = [{"position": position, "reason": reason} for position, reason in wrong[:_MAX_ERRORS]]
        return (503, answer, _SOON) if again else (422, answer, ())


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _RefusedError(400, "the request was not sent to its end")
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        else:  # who is still sending would not see an answer
            parts.clear()
        if size > MAX_BODY and (size > _MOST_READ or not message.get("more_body")):
            raise _RefusedError(
                413, f"more than {MAX_BODY} bytes: send fewer labels at once", ((b"connection", b"close"),)
            )
        if not message.get("more_body"):
            return b"".join(parts)


def _pairs(body: bytes) -> tuple[list[Any], list[Any]]:
    """Ids and labels of a body.

    Raises:
        _RefusedError: it is none.
    """
    try:
        data = json.loads(body)
    except RecursionError:
        raise _RefusedError(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise _RefusedError(400, f"the body is no JSON: {error}"[:200]) from None
    if isinstance(data, dict) and isinstance(data.get("ids"), list) and isinstance(data.get("labels"), list):
        return data["ids"], data["labels"]
    if isinstance(data, dict) and data.keys() & {"id", "label"}:
        data = [data]
    if not isinstance(data, list):
        raise _RefusedError(400, f"the body has no labels: {_SHAPES}")
    entries = [entry if isinstance(entry, dict) else {} for entry in data]
    return [entry.get("id") for entry in entries], [entry.get("label") for entry in entries]
