"""What the wines turn out to be, told to the service some time after it has classified them."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import urllib3

__all__ = ["LateLabels"]

_AT_ONCE = 500


class LateLabels:
    """Sends labels `delay` seconds after their predictions, from a thread of its own, until `finish`."""

    def __init__(self, url: str, delay: float) -> None:
        self._url = f"{url}/observe/labels"
        self._delay = delay
        self._waiting: queue.SimpleQueue[tuple[float, str, int] | None] = queue.SimpleQueue()
        self._matched = 0
        self._pool = urllib3.PoolManager(retries=3, timeout=30.0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, ids: Sequence[str], truth: Sequence[int]) -> None:
        """Have the truth of so many predictions sent later."""
        due = time.monotonic() + self._delay
        for pair in zip(ids, truth, strict=True):
            self._waiting.put((due, *pair))

    def finish(self) -> int:
        """Wait until all are sent; how many the service has matched."""
        self._waiting.put(None)
        self._thread.join()
        return self._matched

    def _run(self) -> None:
        batch: list[tuple[str, int]] = []
        while (label := self._waiting.get()) is not None:
            due, one, cultivar = label
            pause = due - time.monotonic()
            if batch and (pause > 0 or len(batch) == _AT_ONCE):
                self._send(batch)
                batch = []
            time.sleep(max(0.0, due - time.monotonic()))
            batch.append((one, cultivar))
        self._send(batch)

    def _send(self, batch: Sequence[tuple[str, int]]) -> None:
        if not batch:
            return
        body: dict[str, Any] = {"ids": [one for one, _ in batch], "labels": [label for _, label in batch]}
        headers = {"content-type": "application/json"}
        try:
            answer = self._pool.request("POST", self._url, body=json.dumps(body).encode(), headers=headers)
            self._matched += answer.json()["matched"]
        except Exception as error:  # noqa: BLE001 - the traffic goes on, and the count says that some are missing
            print(f"labels: {error!r}", file=sys.stderr)
