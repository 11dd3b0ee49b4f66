"""A worker's feedback put together: ids of what it predicts, labels that come to it, and what they say of the model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bento_observe import semconv
from bento_observe._environment import EnvironmentReader
from bento_observe._label_keys import KEYS, keys_of
from bento_observe._label_tables import directory, table_of
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._group import BoolArray, FloatArray
from bento_observe.feedback._identifier import Identifier
from bento_observe.feedback._intake import LabelIntake
from bento_observe.feedback._issuing import Issuer, TokenIssuer
from bento_observe.feedback._matching import Matcher
from bento_observe.feedback._metrics import PerformanceMetrics
from bento_observe.feedback._own_names import OwnNames
from bento_observe.feedback._performance import IntArray, Model, Performance
from bento_observe.feedback._reading import TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._shape import Shape
from bento_observe.feedback._store import Store
from bento_observe.feedback._token import Context, TokenMaker
from bento_observe.feedback._truth import is_value
from bento_observe.feedback._upkeep import Upkeep
from bento_observe.settings import Settings
from bento_observe.telemetry import Health, Telemetry

__all__ = ["Feedback", "current_feedback"]

logger = logging.getLogger("bento_observe")

LabelCounter = Callable[[str, list[Any]], None]
ApiJudge = Callable[[str, Sequence[str], IntArray, FloatArray, BoolArray], None]


class Feedback:
    """The parts. Nothing is opened before the first label.

    Args:
        model: its attributes.
        shape: what the reference says of predictions and labels.
        count: takes the labels of one API once they are matched.
        judge: takes an API's predictions and whether they were right, those of this worker's model and version; see
            `FeatureRecording.judge`.
        tells: whether this worker tells what all would have to.
        owner: whose labels they are: workers of one owner on a host know of each other's.
        store: keeps predictions; None where ids are tokens.
    """

    def __init__(
        self,
        config: Settings,
        model: Mapping[str, str],
        shape: Shape,
        count: LabelCounter,
        judge: ApiJudge,
        health: Health,
        tells: bool,
        owner: str,
        store: Store | None = None,
    ) -> None:
        self._config = config
        self._model = model.get(semconv.ML_MODEL_NAME, ""), model.get(semconv.ML_MODEL_VERSION, "")
        self._names = OwnNames(*self._model)
        self._shape = shape
        self._count = count
        self._judge = judge
        self._health = health
        self._tells = tells
        self._owner = owner
        self._store = store
        self._seen: Seen | None = None
        self._keys = keys_of(EnvironmentReader.of_process())
        self._maker = TokenMaker(self._keys, partial(self._lose, semconv.DROPPED_SLICES_TOO_LONG))
        self._header = config.prediction_header.encode()
        self._performance = Performance(
            self._classes, self._centre, self._pass_judgement, partial(self._lose, semconv.DROPPED_SLICES_FULL)
        )
        self.matcher = Matcher(
            TokenReader(self._keys, self._names.whole), self._opened, self._performance, config.label_max_age,
            self._pass_on, lookup=None if store is None else store.lookup,
        )  # fmt: skip
        self.intake = LabelIntake(self.matcher, health) if store is None else store.labels(self.matcher)

    def serve(self, telemetry: Telemetry) -> None:
        """Have what is recorded here counted and sent; and be what this process's `record_labels` records to."""
        global _current
        metrics = PerformanceMetrics(self._performance, self.matcher.refused, time.time_ns())
        telemetry.add(self.intake, metrics.collect)
        telemetry.add(Upkeep(lambda: self._seen))
        if self._store is not None:
            telemetry.add(self._store.events)
        _current = self

    def identifier(self, api: str) -> Identifier | None:
        """What gives the predictions of an API their ids; None where they are to have none."""
        self._names.add_api(api)
        if not self._header:
            return None
        context = Context(api, *self._model)
        issuer: Issuer = TokenIssuer(context, self._maker) if self._store is None else self._store.issuer
        return Identifier(context, self._shape, issuer, self._header, self._health)

    def expect_labels(self) -> None:
        """Labels will come, or have come: say so if their key is one that nobody gave. Once."""
        if self._keys.generated and self._tells and self._store is None:
            self._tells = False
            logger.warning(
                "bento_observe: %s is not set: labels are matched by a key made up at this start, so that those of "
                "predictions from before it, or from other hosts, are refused (%s)",
                KEYS, semconv.LABEL_OTHER_KEY,
            )  # fmt: skip

    def _opened(self) -> Seen:
        """What knows which predictions have had their label; the matcher's, for one thread at a time."""
        if self._seen is None:
            path = table_of(self._owner, self._keys, plain=self._store is not None)
            config = self._config
            self._seen = Seen(
                path, config.label_window, self._tell, config.label_max_age, ready=lambda: directory() is not None
            )
        return self._seen

    def _classes(self, model: Model) -> Classes:
        if model[1:] == self._model and self._shape.classes:
            return Classes(self._shape.names, self._shape.names)
        return Classes()

    def _centre(self, model: Model) -> float:
        ours = model[1:] == self._model and is_value(self._shape.centre)
        return self._shape.centre if ours else 0.0

    def _pass_on(self, context: Context, labels: list[Any]) -> None:
        try:
            self._count(context.api, labels)
        except Exception:  # noqa: BLE001 - a label that is matched stays so
            self._health.error("labels")

    def _pass_judgement(
        self, context: Context, names: Sequence[str], predicted: IntArray, confidence: FloatArray, correct: BoolArray
    ) -> None:
        # What another version was calibrated to is not known here.
        if (context.model, context.version) != self._model:
            return
        try:
            self._judge(context.api, names, predicted, confidence, correct)
        except Exception:  # noqa: BLE001 - as above
            self._health.error("judge")

    def _lose(self, reason: str, count: int) -> None:
        self._health.dropped("labels", reason, count)

    def _tell(self, problem: str) -> None:
        self._health.tell("seen", "%s", problem)


_current: Feedback | None = None


def current_feedback() -> Feedback | None:
    """That of this process, if it serves an observed service."""
    return _current
