"""Which traffic fills which panel: what a test of every query on real servers goes by.

Each panel is made with a `Traffic`; `expected()` gives them by dashboard and title. A query without data in a kind of
traffic that fills its panel is a fault; one with data from the others is none.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Traffic", "expected"]


class Traffic(str, Enum):
    """What has to have happened, and been exported at least twice, before a panel has something to show.

    But for `NOTHING` all of it is asked of the service that the dashboard's variables choose. On the dashboard of a
    feature `REFERENCE` and `NUMBERS` mean: of a numeric feature, and `CATEGORIES`: of a categorical one.
    """

    NOTHING = "nothing"
    """The stack is up: the Collector's and the host's own metrics."""

    ANY = "any"
    """Some requests were answered; with a reference or without."""

    REFERENCE = "reference"
    """... with a reference, and enough values for drift within the window."""

    NUMBERS = "numbers"
    """... of a number: a numeric feature, or on dashboards of predictions one that is no class and no probability."""

    CATEGORIES = "categories"
    """... with a reference that knows the categories, of a categorical feature."""

    CLASSES = "classes"
    """... with a reference that has predictions, which are classes or class probabilities."""

    PROBABILITIES = "probabilities"
    """... which are class probabilities: class, confidence, entropy."""

    LABELS = "labels"
    """... with a reference that has labels, and `record_labels` was called with classes."""

    MATCHED = "matched"
    """Labels of predicted classes, with a confidence, came with the ids of their predictions."""

    VALUES = "values"
    """Labels of predicted values did, of an API with a reference that has a loss model."""

    REFUSED = "refused"
    """Some labels were refused."""

    CALIBRATED = "calibrated"
    """... with a reference that has a calibration: class probabilities of held-out rows, and their labels."""

    OUTCOMES = "outcomes"
    """... with a calibration, and some fifty labels at least came with ids or by `record_outcomes`."""

    CONCEPT = "concept"
    """... and the errors became so many more than expected that a worker's detector was alarmed."""

    CALLS = "calls"
    """The service called another one."""

    FAILED_CALLS = "failed calls"
    """Some of these calls failed."""

    FAILING = "failing"
    """Some requests ended with a 4xx, some with a 5xx, and an exception was logged."""

    SLOW = "slow"
    """Some requests took more than half a second."""

    BATCHES = "batches"
    """Requests of a batchable API were batched."""

    STREAMS = "streams"
    """Some answers were streams."""

    GPU = "gpu"
    """A worker sees a GPU through NVML."""

    ALARM = "alarm"
    """An alert of the service fires, or is about to."""

    TROUBLE = "trouble"
    """Telemetry was dropped, refused, or not taken by a backend."""


def expected() -> dict[str, dict[str, Traffic]]:
    """By the uid of each dashboard, by the title of each panel with queries: what fills it.

    Annotations and variables are not in it. Both have values after `ANY`, but for what is not always told:
    environment, namespace, version and model of a service, its references and slices.
    """
    from collector.grafana.boards import BOARDS

    return {board.uid: board.traffic() for board in BOARDS}
