"""Plain ids read by looking their predictions up."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from bento_observe import semconv
from bento_observe.feedback._elasticsearch import AT_ONCE, TIME, StoreError, attribute
from bento_observe.feedback._plain_ids import is_plain, made_at
from bento_observe.feedback._reading import NO_CLASS, TEXT, Read
from bento_observe.feedback._token import Context
from bento_observe.feedback._truth import is_value
from bento_observe.telemetry import Health

__all__ = ["Lookup", "Predictions"]

T = TypeVar("T")

_ASKED: Final = frozenset((semconv.LABEL_MALFORMED, semconv.LABEL_TRUNCATED, semconv.LABEL_OTHER_KEY))
"""What a token's reader may say of a plain id: those of callers can look like anything."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 0.5
_ON_ITS_WAY: Final = 60.0
"""Seconds after which a prediction of ours that is not there will not come: then nobody has to wait for it."""


class Predictions(Protocol):
    """Has events of predictions."""

    def find(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """See `Elasticsearch`."""

    def close(self) -> None:
        """Try nothing again."""


class Lookup:
    """Fills in what a token's reader could not read. Safe to use from any thread; blocks.

    Args:
        predictions: where they are looked up.
        service: whose they are; two services may be given the same ids by their callers.
        health: is told of failures.
    """

    def __init__(self, predictions: Predictions, service: str, health: Health) -> None:
        self._predictions = predictions
        self._key = hashlib.blake2b(service.encode("utf-8", "replace")).digest()
        self._health = health
        self._closed = threading.Event()

    def close(self) -> None:
        """No more waiting: what is not found by now counts as failed, so that nothing is taken for matched that nobody
        would send."""
        self._closed.set()
        self._predictions.close()

    def complete(self, ids: Sequence[object], read: Read, until: float = 0.0) -> None:
        """Look up which of `ids` are no tokens, and say in `read` what was predicted, or why nobody knows.

        What is not there is asked for again until `until`, on `time.monotonic`'s clock: an event is on its way for a
        second or two. Never raises.
        """
        wanted: dict[str, list[int]] = {}
        for position, reason in read.reasons.items():
            one = ids[position]
            if reason in _ASKED and type(one) is str and is_plain(one):
                wanted.setdefault(one, []).append(position)
        if not wanted:
            return
        found: dict[str, Mapping[str, Any]] = {}
        failed = False
        try:
            self._find(list(wanted), found, until)
        except StoreError as error:
            failed = True
            self._health.tell("lookup", "predictions cannot be looked up: %s; send their labels again", error)
        except Exception:  # noqa: BLE001 - as if it had not answered
            failed = True
            self._health.error("lookup")
        result = _Result(read, self._key)
        for one, positions in wanted.items():
            if self._closed.is_set() or (failed and one not in found):
                result.refuse(positions, semconv.LABEL_LOOKUP_FAILED)
            elif not (one in found and result.take(one, positions, found[one])):
                unknown = [at for at in positions if read.reasons[at] == semconv.LABEL_MALFORMED]
                result.refuse(unknown, semconv.LABEL_UNKNOWN_ID)

    def _find(self, left: list[str], found: dict[str, Mapping[str, Any]], until: float) -> None:
        pause = _FIRST_PAUSE
        while True:
            for start in range(0, len(left), AT_ONCE):
                found.update(self._predictions.find(left[start : start + AT_ONCE]))
            left = [one for one in left if one not in found and _may_come(one)]
            rest = until - time.monotonic()
            if not left or rest <= 0 or self._closed.wait(min(pause, rest)):
                return
            pause = min(pause * 2, _LONGEST_PAUSE)


def _may_come(one: str) -> bool:
    """Whether it is young, or nobody knows how old."""
    made = made_at(one)
    return made is None or abs(time.time() - made) < _ON_ITS_WAY


class _Result:
    """A `Read` to which more is added."""

    def __init__(self, read: Read, key: bytes) -> None:
        self._read = read
        self._key = key
        self._contexts = {context: number for number, context in enumerate(read.contexts)}
        self._names = {name: number for number, name in enumerate(read.names)}

    def refuse(self, positions: Iterable[int], reason: str) -> None:
        self._read.reasons.update(dict.fromkeys(positions, reason))

    def take(self, one: str, positions: list[int], fields: Mapping[str, Any]) -> bool:
        """What an event says; whether it makes sense."""
        try:
            when = float(_first(fields, TIME)) / 1000
            context = _context(fields)
            kind = _first(fields, attribute(semconv.ML_PREDICTION_TYPE))
            value = math.nan
            if kind == semconv.PREDICTION_VALUE:
                value = float(_first(fields, attribute(semconv.ML_PREDICTION_VALUE)))
            confidence = float(_first(fields, attribute(semconv.ML_PREDICTION_CONFIDENCE), math.nan))
            classes = min(int(_first(fields, attribute(semconv.ML_PREDICTION_CLASSES), 0)), 255)
        except (TypeError, ValueError, OverflowError):
            return False  # somebody else's
        name = _first(fields, attribute(semconv.ML_PREDICTION_CLASS))
        made = {
            semconv.PREDICTION_CLASS: bool(name),
            semconv.PREDICTION_VALUE: is_value(value),
            semconv.PREDICTION_TEXT: True,
        }
        if not math.isfinite(when) or not made.get(kind):
            return False
        read = self._read
        at = np.array(positions)
        digest = hashlib.blake2b(one.encode("utf-8", "replace"), digest_size=8, key=self._key).digest()
        read.identity[at] = int.from_bytes(digest, "big")
        read.time[at] = int(when)
        read.context[at] = _number(context, self._contexts, read.contexts)
        if kind == semconv.PREDICTION_CLASS:
            read.name[at] = _number(str(name), self._names, read.names)
        else:
            read.name[at] = TEXT if kind == semconv.PREDICTION_TEXT else NO_CLASS
        read.value[at], read.confidence[at], read.classes[at] = value, confidence, classes
        for position in positions:
            del read.reasons[position]
        return True


def _number(one: T, known: dict[T, int], column: list[T]) -> int:
    """The place of `one` in a column, to which it is added if need be."""
    if one not in known:
        known[one] = len(column)
        column.append(one)
    return known[one]


def _context(fields: Mapping[str, Any]) -> Context:
    prefix = attribute(semconv.ML_SLICE)
    slices = sorted((name[len(prefix) :], str(values[0])) for name, values in fields.items() if name.startswith(prefix))
    parts = (semconv.API_NAME, semconv.ML_MODEL_NAME, semconv.ML_MODEL_VERSION)
    api, model, version = (str(_first(fields, attribute(part), "")) for part in parts)
    return Context(api, model, version, tuple(slices))


def _first(fields: Mapping[str, Any], name: str, default: Any = None) -> Any:
    values = fields.get(name)
    return values[0] if values else default
