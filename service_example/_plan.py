"""What the traffic sends, decided before the first request goes out."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from service_example.wine import FEATURES, load

__all__ = ["Request", "plan"]

_SHARES: Final = {"classify": 0.66, "classify_one": 0.24, "refused": 0.06, "unusable": 0.04}
_CONTINUED: Final = 0.3
"""The share of requests that come with a traceparent."""

_MOST_ROWS: Final = 8
_NOISE: Final = 0.02
_DRIFT: Final = {"alcohol": (1.0, 1.4), "malic_acid": (0.7, 0.0), "proline": (1.25, 0.0)}
"""After warm summers: each drifted feature is multiplied by the one and raised by the other number."""


_Data = tuple[pd.DataFrame, "pd.Series[int]"]


@dataclass(frozen=True)
class Request:
    """One request: when (seconds after the start), what, and how it has to be answered.

    `rows` is the number of samples that the service decodes, 0 where it refuses; `missing` how many of their values
    are null, by feature; `truth` the cultivar of each.
    """

    at: float
    api: str
    body: bytes
    status: int
    drifted: bool
    rows: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    traceparent: str = ""
    truth: tuple[int, ...] = ()


def plan(*, rate: float, duration: float, drift_at: float, seed: int) -> list[Request]:
    """`rate` times `duration` requests (at least one), evenly spaced, the wines drifted from `drift_at` seconds on."""
    data = load()
    random = np.random.default_rng(seed)
    kinds = random.choice(list(_SHARES), size=max(1, round(rate * duration)), p=list(_SHARES.values()))
    return [
        _request(str(kind), number / rate, number / rate >= drift_at, data, random) for number, kind in enumerate(kinds)
    ]


def _request(kind: str, at: float, drifted: bool, data: _Data, random: np.random.Generator) -> Request:
    # Never from the seed: a backend that keeps its data would put the traces of two runs together.
    continued = random.random() < _CONTINUED
    traceparent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01" if continued else ""
    count = 1 if kind == "classify_one" else int(random.integers(1, _MOST_ROWS + 1))
    rows, truth = _samples(count, drifted, data, random)
    if kind == "refused":
        api, body = _refused(rows, random)
        return Request(at, api, body, 400, drifted, traceparent=traceparent)
    if kind == "classify_one":
        return Request(at, "classify_one", _json(wine=rows[0]), 200, drifted, 1, {}, traceparent, truth)
    if kind == "unusable":
        name = str(random.choice(FEATURES))
        rows[0][name] = None
        return Request(at, "classify", _json(samples=rows), 500, drifted, len(rows), {name: 1}, traceparent)
    return Request(at, "classify", _json(samples=rows), 200, drifted, len(rows), {}, traceparent, truth)


def _samples(
    count: int, drifted: bool, data: _Data, random: np.random.Generator
) -> tuple[list[dict[str, float | None]], tuple[int, ...]]:
    """Wines of the data set, each value a little off, rounded as a laboratory would; and their cultivars."""
    wines, cultivars = data
    chosen = random.integers(0, len(wines), count)
    values = wines.to_numpy()[chosen]
    values = values * random.normal(1.0, _NOISE, values.shape)
    if drifted:
        for name, (factor, offset) in _DRIFT.items():
            column = FEATURES.index(name)
            values[:, column] = values[:, column] * factor + offset
    truth = tuple(map(int, cultivars.to_numpy()[chosen]))
    return [dict(zip(FEATURES, map(float, row), strict=True)) for row in values.round(3)], truth


def _refused(rows: list[dict[str, float | None]], random: np.random.Generator) -> tuple[str, bytes]:
    """Something that the service has to refuse: cut off, a feature left out, a word for a number, a negative one."""
    name = str(random.choice(FEATURES))
    first = rows[0]
    left_out: dict[str, Any] = {feature: value for feature, value in first.items() if feature != name}
    choices: Sequence[tuple[str, bytes]] = (
        ("classify", _json(samples=rows)[:-20]),
        ("classify", _json(samples=[left_out])),
        ("classify", _json(samples=[{**first, name: "plenty"}])),
        ("classify_one", _json(wine=left_out)),
        ("classify_one", _json(wine={**first, name: -1.0})),
    )
    return choices[int(random.integers(len(choices)))]


def _json(**body: object) -> bytes:
    return json.dumps(body).encode()
