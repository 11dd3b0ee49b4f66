"""All groups of a worker: pairs of prediction and truth come in, sums are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bento_observe import semconv
from bento_observe.feedback._class_names import same_class
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._group import BoolArray, FloatArray, Group, Histogram
from bento_observe.feedback._reading import NO_CLASS, TEXT, Read
from bento_observe.feedback._token import Context
from bento_observe.feedback._truth import Truth

__all__ = ["GroupKey", "Model", "Performance"]

_MAX_MODELS: Final = 64
_MAX_GROUPS: Final = 2000

IntArray = npt.NDArray[np.int64]
Judge = Callable[[Context, Sequence[str], IntArray, FloatArray, BoolArray], None]
"""Takes pairs of classes of one context: names, the position of each predicted one among them, its confidence, whether
it was right."""


class Model(NamedTuple):
    """What a context is without its slices: an API, and the model and its version behind it."""

    api: str
    model: str
    version: str


class GroupKey(NamedTuple):
    """A model as a whole, or one slice of it."""

    model: Model
    slice_name: str = ""
    slice_value: str = ""


class Performance:
    """The groups, and the delays of their labels. Safe to use from any thread.

    Args:
        classes_of: what is known of a model's classes.
        centre_of: what deviations of a model's true values are taken from.
        judge: takes the pairs of classes too, each once, whatever slices it is in.
        lost: is told how many slices of labels are not counted, because there are 2,000 groups without them.
    """

    def __init__(
        self,
        classes_of: Callable[[Model], Classes],
        centre_of: Callable[[Model], float],
        judge: Judge | None = None,
        lost: Callable[[int], None] | None = None,
    ) -> None:
        self._classes_of = classes_of
        self._centre_of = centre_of
        self._judge = judge
        self._lost = lost
        self._lock = threading.Lock()
        self._classes: dict[Model, Classes] = {}
        self._groups: dict[GroupKey, Group] = {}
        self._delays: dict[Model, Histogram] = {}

    def classes(self, context: Context) -> Classes | None:
        """Those of a context's model; None where there are too many models."""
        model = Model(*context[:3])
        with self._lock:
            found = self._classes.get(model)
            if found is None and len(self._classes) < _MAX_MODELS:
                found = self._classes[model] = self._classes_of(model)
            return found

    def add(self, read: Read, truth: Truth, positions: IntArray, now: float) -> None:
        """Count the pairs at some `positions` of what was read; `now` is in seconds since the epoch."""
        contexts = read.context[positions]
        for number in np.unique(contexts).tolist():
            some = positions[contexts == number]
            context = read.contexts[number]
            classes = self.classes(context)
            if classes is None:
                continue
            with self._lock:
                groups = self._of(context)
                delays = self._delays.setdefault(groups[0][0].model, Histogram(semconv.LABEL_DELAY))
                delays.add(np.maximum(now - read.time[some], 0.0))
                predicted = read.name[some]
                values, named, texts = some[predicted == NO_CLASS], some[predicted >= 0], some[predicted == TEXT]
                for _, group in groups:
                    group.labels += texts.size  # there is nothing that they could be compared with
                    if values.size:
                        group.add_values(read.value[values], truth.value[values])
                if named.size:
                    correct = _add_classes([group for _, group in groups], classes, read, truth, named)
            without = (1 + len(context.slices) - len(groups)) * some.size
            if without and self._lost is not None:
                self._lost(without)
            if named.size and self._judge is not None:
                names = classes.called(read.names)
                self._judge(context, names, read.name[named], read.confidence[named], correct)

    def _of(self, context: Context) -> list[tuple[GroupKey, Group]]:
        model = Model(*context[:3])
        keys = [GroupKey(model), *(GroupKey(model, name, value) for name, value in context.slices)]
        found = []
        for key in keys:
            group = self._groups.get(key)
            if group is None:
                if len(self._groups) >= _MAX_GROUPS and key.slice_name:
                    continue
                group = self._groups[key] = Group(self._centre_of(model))
            found.append((key, group))
        return found

    def groups(self) -> Iterator[tuple[GroupKey, Group]]:
        """All of them, while nothing is added."""
        with self._lock:
            yield from self._groups.items()

    def delays(self) -> Iterator[tuple[Model, Histogram]]:
        """The delay of labels in seconds, likewise."""
        with self._lock:
            yield from self._delays.items()


def _add_classes(groups: list[Group], classes: Classes, read: Read, truth: Truth, rows: IntArray) -> BoolArray:
    """Pairs of classes, of one context, into all groups that it belongs to; which of them were right."""
    # Only what occurs is looked at: names may be as many as labels, and each could be asked about with each other one.
    coded, pair_of, counts = np.unique(
        read.name[rows] * len(truth.names) + truth.name[rows], return_inverse=True, return_counts=True
    )
    pairs = [divmod(pair, len(truth.names)) for pair in coded.tolist()]
    equal = [same_class(read.names[one], truth.names[other]) for one, other in pairs]
    correct = np.array(equal)[pair_of]
    # First what was predicted: those are the model's own classes.
    names = {one: classes.predicted(read.names[one]) for one in dict.fromkeys(one for one, _ in pairs)}
    told = [
        ((names[one], classes.labelled(truth.names[other], read.names[one]), right), count)
        for (one, other), right, count in zip(pairs, equal, counts.tolist(), strict=True)
    ]
    confidence = read.confidence[rows]
    scored = (confidence >= 0) & (confidence <= 1)
    positive = classes.positive()
    binary = scored & (read.classes[rows] == 2) if positive else np.zeros(rows.size, dtype=bool)
    is_positive = np.array([same_class(read.names[one], positive) for one, _ in pairs])[pair_of]
    came_true = np.array([same_class(truth.names[other], positive) for _, other in pairs])[pair_of]
    rest = scored & ~binary
    for group in groups:
        group.labels += rows.size
        for key, count in told:
            group.confusion[key] += count
        if binary.any():
            given = confidence[binary]
            scores = np.where(is_positive[binary], given, 1 - given)
            group.scores[positive].add(scores, came_true[binary])
        if rest.any():
            group.scores[semconv.EVENT_PREDICTED].add(confidence[rest], correct[rest])
    return correct
