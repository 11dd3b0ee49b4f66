"""Traffic of the example service, right or wrong."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import urllib3

from service_example.wine import FEATURES, load

__all__ = ["GONE", "MOVED", "RATE", "ROWS", "Traffic"]

MOVED = "malic_acid"
"""The feature that drifts: without leaving the range of training much."""
GONE = "hue"
"""The feature that is null in some requests, which the example answers with 500."""

RATE, ROWS = 12, 8


@dataclass
class Traffic:
    """Wines on their way to the service from a thread, `RATE` requests a second; `wrong` ones while that is set."""

    url: str
    wrong: bool = False
    statuses: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        wines = load()[0].to_numpy()
        random = np.random.default_rng(5)
        column = FEATURES.index(MOVED)
        with urllib3.PoolManager(retries=False) as pool:
            while not self._stop.wait(1 / RATE):
                rows = wines[random.integers(0, len(wines), ROWS)].copy()
                if self.wrong:  # the lower half of the range of training
                    rows[:, column] = 0.8 + 0.2 * (rows[:, column] - 0.7)
                samples = [dict(zip(FEATURES, map(float, row), strict=True)) for row in rows]
                if self.wrong and random.random() < 0.4:
                    for sample in samples:
                        sample[GONE] = None  # type: ignore[assignment]
                self.statuses.append(pool.request("POST", f"{self.url}/classify", json={"samples": samples}).status)
