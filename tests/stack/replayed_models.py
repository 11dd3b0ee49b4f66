"""A classifier and a regression whose labels come at once, as the series that Prometheus would have of them."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import replayed
from labelled import Labelled
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from bento_observe import Reference, semconv
from bento_observe.features.concept import Judged, encode
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._token import Predictions

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from _estimates import Predicted

__all__ = ["classifier", "regression"]

Samples = dict[str, list[float | None]]


def classifier(reference: Reference, answers: Callable[[int, int], Predicted], workers: int, minutes: int) -> Samples:
    """What is counted of its predictions, of their labels, and of what both say of each other.

    `answers` gives by minute and worker probabilities and labels; it is asked more than once, and has to say the same.
    """
    signal = semconv.SIGNAL_PREDICTION
    found = replayed.series(reference, lambda *when: answers(*when).scores, workers, minutes, signal)
    more: Samples = defaultdict(lambda: [None] * (minutes + 1))
    attributes = {semconv.ML_REFERENCE_ID: reference.id, semconv.API_NAME: replayed.API}
    names = reference.signals[signal].classes or ()
    for worker in range(workers):
        judged = Judged(reference.signals[signal])
        labelled = Labelled(f"worker-{worker}", Classes(names, names))
        resource = {"service_name": replayed.SERVICE, "service_instance_id": f"worker-{worker}"}
        for minute in range(minutes + 1):
            if minute:
                one = answers(minute, worker)
                truth = [names[label] for label in one.labels]
                judged.add_outcomes(one.scores, truth)
                judged.step()
                said = [names[position] for position in one.scores.argmax(axis=1)]
                sure = one.scores.max(axis=1).tolist()
                labelled.match(replayed.API, Predictions(said, confidence=sure, of=len(names)), truth)
            now = round(60e9 * minute)
            for metric in encode([(attributes, judged.judgement())], 0, now, AGGREGATION_TEMPORALITY_CUMULATIVE):
                for name, value in replayed.samples(metric, resource):
                    more[name][minute] = value
            for name, value in labelled.series(service_name=replayed.SERVICE):
                more[name][minute] = value
    assert not found.keys() & more.keys()
    return {**found, **more}


def regression(errors: Callable[[int, int], np.ndarray], workers: int, minutes: int) -> Samples:
    """What is counted of its labels; `errors` gives by minute and worker how far off its answers are."""
    found: Samples = defaultdict(lambda: [None] * (minutes + 1))
    for worker in range(workers):
        labelled = Labelled(f"worker-{worker}")
        for minute in range(1, minutes + 1):
            off = errors(minute, worker)
            labelled.match("estimate", Predictions(values=(100 + off).tolist()), [100.0] * len(off))
            for name, value in labelled.series(service_name=replayed.SERVICE):
                found[name][minute] = value
    return dict(found)
