"""The endpoint for labels, asked as a server asks it: floods, bodies in pieces, faults of our own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bento_observe import semconv
from bento_observe.feedback import LABEL_PATH, LabelEndpoint
from bento_observe.feedback._endpoint import MAX_BODY
from bento_observe.feedback._matching import Matched
from bento_observe.telemetry import Health


class Matcher:
    """Stands in for the real one, which has tests of its own: matches all but "bad" ids, waits or fails if told."""

    def __init__(self) -> None:
        self.taken: list[tuple[Any, Any]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False
        self.busy = False
        self.refused: list[tuple[str, int]] = []

    def refuse(self, reason: str, count: int) -> None:
        self.refused.append((reason, count))

    def take(self, ids: list[Any], labels: list[Any], until: float) -> Matched:
        self.gate.wait(20)
        if self.broken:
            raise RuntimeError("a fault of ours")
        if self.busy:
            return Matched(0, dict.fromkeys(range(len(ids)), semconv.LABEL_BUSY))
        self.taken += zip(ids, labels, strict=False)
        refused = {number: semconv.LABEL_FORGED for number, one in enumerate(ids) if one == "bad"}
        return Matched(len(ids) - len(refused), refused)


class Asked:
    """An endpoint, and what came to the application behind it."""

    def __init__(self) -> None:
        self.matcher, self.health, self.passed = Matcher(), Health(), list[str]()
        self.endpoint = LabelEndpoint(self._app, f"/v1{LABEL_PATH}", self.matcher, self.health)  # type: ignore[arg-type]

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.passed.append(scope["path"])

    async def ask(
        self, *pieces: bytes, path: str = f"/v1{LABEL_PATH}", method: str = "POST", gone: bool = False
    ) -> tuple[int, dict[str, Any], dict[bytes, bytes]]:
        """Status, answer and headers."""
        waiting = list(pieces)
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if not waiting and gone:
                return {"type": "http.disconnect"}
            body = waiting.pop(0) if waiting else b""
            return {"type": "http.request", "body": body, "more_body": bool(waiting) or gone}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "method": method, "headers": []}
        await self.endpoint(scope, receive, send)
        if not sent:
            return 0, {}, {}
        return sent[0]["status"], json.loads(sent[1]["body"]), dict(sent[0]["headers"])


def run(check: Callable[[Asked], Awaitable[None]]) -> None:
    asyncio.run(check(Asked()))


def test_a_body_may_come_in_pieces_and_other_paths_go_on() -> None:
    """And another path is none of the endpoint's."""

    async def check(asked: Asked) -> None:
        status, answer, _ = await asked.ask(b'[{"id": "a", ', b'"label": 1}', b"]")
        assert (status, answer) == (200, {"matched": 1, "refused": {}})
        await asked.ask(b"", path=LABEL_PATH)
        assert asked.passed == [LABEL_PATH]

    run(check)


def test_positions_are_those_of_the_whole_body_and_at_most_a_hundred_are_told() -> None:
    """Though it is matched in steps."""

    async def check(asked: Asked) -> None:
        ids = ["good"] * 4999 + ["bad"] * 300
        status, answer, _ = await asked.ask(json.dumps({"ids": ids, "labels": [1] * len(ids)}).encode())
        assert status == 422
        assert (answer["matched"], answer["refused"]) == (4999, {"forged": 300})
        assert [error["position"] for error in answer["errors"]] == list(range(4999, 5099))

    run(check)


def test_a_body_that_is_too_large_is_read_to_its_end_and_not_kept() -> None:
    """Whoever is still sending would not see the answer; without end it is answered all the same."""

    async def check(asked: Asked) -> None:
        status, answer, headers = await asked.ask(*[b" " * (1 << 20)] * ((MAX_BODY >> 20) + 2))
        assert (status, headers[b"connection"]) == (413, b"close")
        assert str(MAX_BODY) in answer["error"]
        assert (await asked.ask(*[b" " * (1 << 20)] * 200, gone=True))[0] == 413
        assert asked.matcher.taken == []

    run(check)


def test_of_a_flood_what_is_too_much_is_told_to_come_again() -> None:
    """Eight bodies are kept, whatever comes; when they are matched there is room again."""

    async def check(asked: Asked) -> None:
        asked.matcher.gate.clear()
        body = b'{"id": "a", "label": 1}'
        flood = [asyncio.ensure_future(asked.ask(body)) for _ in range(50)]
        refused = [await one for one in flood[8:]]
        assert {(status, headers[b"retry-after"]) for status, _, headers in refused} == {(429, b"1")}
        asked.matcher.gate.set()
        assert [(await one)[0] for one in flood[:8]] == [200] * 8
        assert (await asked.ask(body))[0] == 200
        assert len(asked.matcher.taken) == 9

    run(check)


@pytest.mark.filterwarnings("ignore")
def test_a_fault_of_ours_is_a_500_that_can_be_tried_again() -> None:
    """Counted, and the next one is answered."""

    async def check(asked: Asked) -> None:
        asked.matcher.broken = True
        status, answer, _ = await asked.ask(b'{"id": "a", "label": 1}')
        assert status == 500
        assert "send them again" in answer["error"]
        assert asked.health.counts()[semconv.ERRORS] == {("labels",): 1}
        asked.matcher.broken = False
        assert (await asked.ask(b'{"id": "a", "label": 1}'))[0] == 200

    run(check)


def test_a_client_that_goes_away_leaves_nothing_behind() -> None:
    """Its part of a body is given up, and its place is free."""

    async def check(asked: Asked) -> None:
        for _ in range(20):
            assert (await asked.ask(b'[{"id": "a"', gone=True))[0] == 400
        assert (await asked.ask(b'{"id": "a", "label": 1}'))[0] == 200

    run(check)


def test_what_cannot_be_matched_now_is_told_to_come_again() -> None:
    """By 503, with a time, and counted; what was matched is told as well."""

    async def check(asked: Asked) -> None:
        asked.matcher.busy = True
        status, answer, headers = await asked.ask(b'[{"id": "a", "label": 1}, {"id": "b", "label": 1}]')
        assert (status, headers[b"retry-after"]) == (503, b"1")
        assert (answer["matched"], answer["refused"]) == (0, {"busy": 2})
        assert answer["errors"] == [{"position": 0, "reason": "busy"}, {"position": 1, "reason": "busy"}]
        assert asked.matcher.refused == [("busy", 2)]
        asked.matcher.busy = False
        assert (await asked.ask(b'{"id": "a", "label": 1}'))[0] == 200

    run(check)


def test_who_does_not_wait_for_an_answer_makes_no_room_for_more_bodies() -> None:
    """A place is free when its body has been matched, and not before."""

    async def check(asked: Asked) -> None:
        asked.matcher.gate.clear()
        body = b'{"id": "a", "label": 1}'
        for _ in range(8):
            gone = asyncio.ensure_future(asked.ask(body))
            await asyncio.wait([gone], timeout=0.01)
            gone.cancel()
        assert (await asked.ask(body))[0] == 429
        asked.matcher.gate.set()
        for _ in range(2000):
            if (await asked.ask(body))[0] == 200:
                break
            await asyncio.sleep(0.01)
        assert len(asked.matcher.taken) == 9

    run(check)


_ENDS = """
import asyncio, json, sys, threading
from bento_observe.feedback import LabelEndpoint

class Stuck:
    def take(self, ids, labels, until):
        print("stuck", flush=True)
        threading.Event().wait()

async def receive():
    return {"type": "http.request", "body": b'{"id": "a", "label": 1}', "more_body": False}

async def ask():
    endpoint = LabelEndpoint(None, "/labels", Stuck(), None)
    scope = {"type": "http", "path": "/labels", "method": "POST", "headers": []}
    await asyncio.wait([asyncio.ensure_future(endpoint(scope, receive, None))], timeout=0.5)

asyncio.run(ask())
"""


def test_labels_that_hang_do_not_keep_the_process_from_ending() -> None:
    """Nobody got an answer for them, so that they are sent again."""
    ended = subprocess.run([sys.executable, "-c", _ENDS], timeout=60, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "stuck\n")
