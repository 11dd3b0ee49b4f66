"""Which traffic fills which panel: what a test of every query on real servers goes by.

Each panel is made with a `Traffic`; `expected()` gives them by dashboard and title. A query without data in a kind of
traffic that fills its panel is a fault; one with data from the others is none.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Traffic", "expected"]


class Traffic(StrEnum):
    """What has to have happened before a panel has something to show. All but the first five include `ANY`."""

    NOTHING = "nothing"
    """A stack that is up: the Collector's and the host's own metrics."""

    ANY = "any"
    """A service answered some requests and its metrics were exported at least twice; with a reference or without."""

    REFERENCE = "reference"
    """... of a service with a reference that has a prediction, numeric inputs, and enough values for a drift."""

    CATEGORIES = "categories"
    """... and a categorical feature in it."""

    NO_REFERENCE = "no reference"
    """... of a service without a reference: exponential buckets."""

    FAILING = "failing"
    """Requests that end with a 4xx or 5xx, and an exception that is logged."""

    SLOW = "slow"
    """Requests of more than half a second."""

    BATCHES = "batches"
    """Adaptive batching: a batchable API, or a runner."""

    PROBABILITIES = "probabilities"
    """Predictions that are class probabilities: class, confidence, entropy."""

    LABELS = "labels"
    """`record_labels` was called."""

    VERSIONS = "versions"
    """A second version of the bento, or a second reference, was deployed within the time that is shown."""

    STREAMS = "streams"
    """Answers that are streams."""

    GPU = "gpu"
    """A GPU that NVML tells of."""

    TROUBLE = "trouble"
    """Telemetry that was dropped, refused or failed."""

    EXEMPLARS = "exemplars"
    """Exemplars on values of features, which nothing sends yet."""


def expected() -> dict[str, dict[str, Traffic]]:
    """By the uid of each dashboard, by the title of each panel with queries: what fills it.

    Annotations and variables are not in it: annotations need `VERSIONS`, variables `ANY`.
    """
    from collector.grafana.boards import BOARDS

    return {board.uid: board.traffic() for board in BOARDS}
