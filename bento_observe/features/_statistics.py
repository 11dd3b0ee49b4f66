"""The aggregator: what `FeatureStatistics` is."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bento_observe import semconv
from bento_observe.features import _decode
from bento_observe.features._derived import Derived
from bento_observe.features._exemplars import Exemplar, Exemplars
from bento_observe.features._intake import Intake
from bento_observe.features._origins import OriginSearch
from bento_observe.features._pending import Item
from bento_observe.features._schema import Bounds, schema_of
from bento_observe.features._snapshot import Snapshot
from bento_observe.features._state import FeatureState
from bento_observe.features._types import Arrived
from bento_observe.features.reference import SignalReference

__all__ = ["FeatureStatistics"]


class FeatureStatistics:
    """Statistics of every feature that passes: counts, missing values, extremes, mean, variance and a histogram.

    `update` costs about half a microsecond and may be called from any thread. It only puts the data aside; `flush`
    counts it, and wants to be called about once a second by a thread that serves no requests (`snapshot` and `delta`
    do it too). What waits is bounded: past `max_pending` values further updates are dropped and counted in `dropped`.

    Args:
        reference: a `Reference`, of which the inputs are meant, one of its signals, or any `Bounds`: gives the
            features their kinds, bucket edges and categories. Other features are what their values are, with
            exponential histograms.
        names: the columns of arrays and lists; where they are not given, those of the reference in its order.
        probabilities: whether rows of numbers that add up to one are probabilities of classes, which count as three
            features: `class` (the likeliest), `confidence` (its probability) and `entropy` (nats). Where the
            reference says so, they are in any case.
        max_features: how many different features are kept; values of further ones are dropped and counted. Rows of
            arrays with more columns than that and no names are vectors, embeddings say, and count as `norm`, `mean`,
            `non_finite` and, where the reference has their mean, the `distance` to it.
        max_pending: values of 8 bytes that may wait for a flush, with an allowance for what objects take besides.
        max_rows: of a longer batch, evenly spaced rows are taken, at most so many; likewise of one that would fill
            more than a quarter of `max_pending`. The others are counted in `dropped` as `sampled`.

    Raises:
        TypeError: `reference` is none.
        ValueError: the reference's edges are not increasing finite numbers.
    """

    def __init__(
        self,
        reference: SignalReference | Bounds | None = None,
        names: Sequence[str] | None = None,
        *,
        probabilities: bool = False,
        max_features: int = 256,
        max_pending: int = 4_000_000,
        max_rows: int = 100_000,
    ) -> None:
        schema = schema_of(reference)
        self._reference_id = schema.reference_id
        self._names = tuple(map(str, names)) if names is not None and len(names) else schema.names
        self._derived = Derived(schema, probabilities)
        self._intake = Intake(self._names, max_pending, max_rows, max_features, self._derived.vector_width)
        self._state = FeatureState(schema, max_features, self._intake.losses)
        self._exemplars = Exemplars(OriginSearch(self._names, self._intake, self._derived))
        self._lock = threading.Lock()
        self._refused: dict[str, int] = {}
        self._merged = Snapshot(reference_id=self._reference_id)
        self._delta_base = Snapshot()

    def update(self, data: object, origin: object = None) -> None:
        """Takes in `data`. Never raises, never waits, and keeps no reference to anything that could change.

        - a two-dimensional array: rows x features. One of another number of columns than there are names is counted
          in `Snapshot.rows_refused` and left out. Without names the features are called "0", "1", ...
        - a one-dimensional array or a list of scalars: one row where there are two names or more, else values of one
          feature, called as the one name says or "value". A scalar alone likewise.
        - a pandas DataFrame, whatever `names` says. A Series: a frame of one column.
        - a mapping, a pydantic model or a dataclass instance: scalars are a row, lists and one-dimensional arrays are
          columns, and anything larger counts as if it had come alone. A key it does not have is not counted at all.
        - a list of rows, of mappings or of models.
        - a tensor of PyTorch, JAX or TensorFlow: as an array. One on a GPU is counted once it has been computed, and
          nobody waits for it here.

        None, NaN, NA and NaT count as missing; infinities as non-finite; what is no number, in a column of numbers,
        as invalid, and so does what is no scalar among categories. Columns of anything else are passed over.

        `origin` is the span that the data came with, one of ours, or nothing. It is kept until the data is counted, and
        in the end only its ids are, where the data had the smallest or the largest value of a feature.
        """
        self._intake.put(data, origin)

    def flush(self, wait: float = 0.0) -> None:
        """Counts what has arrived up to now; of tensors that a GPU is still computing, what it has done in `wait` s."""
        with self._lock:
            self._flush(wait)

    def finish(self, wait: float) -> None:
        """`flush` for the last time: what GPUs have not computed within `wait` seconds is left out, and counted."""
        with self._lock:
            self._flush(wait)
            self._intake.abandon()

    def snapshot(self, wait: float = 1.0) -> Snapshot:
        """Everything since the start, what arrived until now included; waits for GPUs, for at most `wait` seconds."""
        with self._lock:
            self._flush(wait)
            return self._total()

    def delta(self) -> Snapshot:
        """What came since the last call, with the minimum and maximum of that time. For one reader only."""
        return self.interval(delta=True)[0]

    def interval(self, *, delta: bool) -> tuple[Snapshot, Mapping[str, Sequence[Exemplar]]]:
        """`delta()` or `snapshot()`, and what the smallest and largest values since the last call came with.

        Those are the exemplars of a feature, at most two, with the spans that `update` was given, if they are sampled.
        For one reader only, who calls no `delta` besides.
        """
        with self._lock:
            self._flush()
            total = self._total()
            extremes = self._state.take_extremes()
            exemplars = self._exemplars.take(self._state.numeric)
            if not delta:
                return total, exemplars
            change = (total - self._delta_base).with_extremes(extremes)
            self._delta_base = total
            return change, exemplars

    def merge(self, other: FeatureStatistics | Snapshot) -> None:
        """Adds what another aggregator has counted, in this process or another.

        Raises:
            ValueError: the two count against different references, or a feature into different buckets.
        """
        snapshot = other.snapshot() if isinstance(other, FeatureStatistics) else other
        if snapshot.features and snapshot.reference_id != self._reference_id:
            raise ValueError(
                f"counted against reference {snapshot.reference_id!r}, this against {self._reference_id!r}: "
                "their counts do not add up"
            )
        with self._lock:
            self._flush()
            # A merge that cannot be added later must fail here, not at the next snapshot.
            _ = self._total() + snapshot
            numbers = self._state.merge(snapshot.features)
            self._merged += replace(snapshot, features=numbers)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The columns of arrays and lists, as given or as the reference has them."""
        return self._names

    @property
    def dropped(self) -> dict[str, int]:
        """How much was left out, by reason.

        Updates: `buffer_full`, `unsupported_type` (in a list of rows those that are none), `device_busy` (tensors that
        a GPU had not computed ten seconds later), and `error`, which counts once what updates of one kind lose together
        in a flush. Rows: `sampled`, `too_wide`, and `too_many_features`,
        rows of which features beyond the limit were left out.
        """
        return dict(self._intake.losses.counts)

    @property
    def pending(self) -> int:
        """Updates that wait for a flush."""
        return len(self._intake) + self._intake.coming

    def _total(self) -> Snapshot:
        own = Snapshot(
            self._state.features(), self._refused, self._reference_id,
            self._derived.expected(), self._derived.expected_loss(),
        )  # fmt: skip
        return own + self._merged

    def _flush(self, wait: float = 0.0) -> None:
        self._exemplars.begin()
        self._intake.land(time.monotonic() + wait)
        waiting = len(self._intake)
        while waiting > 0:
            items = self._intake.take(waiting)
            waiting -= len(items)
            self._count(items)
            try:
                self._exemplars.look(self._state, items)
            except Exception as error:  # noqa: BLE001 - as for what is counted
                self._intake.losses.add("error", 1, f"exemplars: {type(error).__name__}")
        self._state.settle()

    def _count(self, items: Sequence[Item]) -> None:
        payloads: dict[Any, list[Any]] = defaultdict(list)
        for key, payload, _, _ in items:
            payloads[key].append(payload)
        # Arrays of all heights together: what matters is what their columns are.
        raw: dict[tuple[str, ...], list[bytes]] = defaultdict(list)
        vectors: dict[int, list[bytes]] = defaultdict(list)
        for key, group in payloads.items():
            if not isinstance(key, tuple):
                self._add(key(group, self._names))
            elif len(key) > 2:
                self._intake.losses.add("too_wide", key[0] * len(group), f"rows of arrays of shape {key}")
            elif self._intake.is_vector(key):
                vectors[key[-1]].extend(filter(None, group))
            elif names := _decode.array_names(key, self._names):
                raw[names].extend(filter(None, group))
            elif 0 not in key[1:]:
                self._refuse(len(group) * (key[0] if len(key) == 2 else 1))
        for names, chunks in raw.items():
            self._add(_decode.arrays(chunks, names))
        for width, chunks in vectors.items():
            if self._derived.vector_width in (None, width):
                self._add(map(self._derived.of_vectors, _decode.matrices(chunks, width)))
            else:
                self._refuse(sum(map(len, chunks)) // (8 * width))

    def _add(self, batches: Iterator[Arrived]) -> None:
        try:
            for batch in batches:
                for part in self._derived.of(batch):
                    self._state.add(part)
        except _decode.WrongColumnsError as error:
            self._refuse(error.rows)
        except Exception as error:  # noqa: BLE001 - odd data must not end the thread that flushes
            self._intake.losses.add("error", 1, f"group of updates: {type(error).__name__}")

    def _refuse(self, rows: int) -> None:
        if rows:
            self._refused[semconv.REASON_COLUMNS] = self._refused.get(semconv.REASON_COLUMNS, 0) + rows
            expected = self._derived.vector_width or len(self._names or ())
            self._intake.losses.warn("feature statistics refused %d rows: %d columns expected", rows, expected)
