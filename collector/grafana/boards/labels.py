"""Labels: what turned out to be true, how late that is told, and what of it cannot be used."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.grafana import names
from collector.grafana.boards import alike, common
from collector.grafana.boards.performance import CHOSEN
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Query
from collector.grafana.panels import heat, lines, shares
from collector.grafana.promql import STREAM, feature, increase, legend, rate, select

__all__ = ["PANELS", "over_time"]

_CHOSEN: Final = ("reference", "slice")
_LABEL: Final = f'{names.SIGNAL}="{semconv.SIGNAL_LABEL}"'
_EITHER: Final = f'{names.SIGNAL}=~"{semconv.SIGNAL_PREDICTION}|{semconv.SIGNAL_LABEL}"'
_OTHERS: Final = f'{names.FEATURE}!~"{common.CONFIDENCE}|{common.ENTROPY}"'

_NO_LABELS: Final = "No data yet, because the service has been told no labels in this time: record_labels does it."
_NO_COMPARED: Final = (
    "No data yet, because the service has been told no labels in this time (record_labels does it), or the reference "
    "has no label."
)
_NO_IDS: Final = (
    "No data yet, because no label came with the id of its prediction in this time: send them to POST /observe/labels, "
    "or call record_labels(ids, labels) (docs/labels.md)."
)
_NONE_REFUSED: Final = "No label was refused in this time."
_DELAY: Final = select(names.bucket(semconv.LABEL_DELAY), STREAM)


def _categories(*matchers: str) -> str:
    return feature(names.name(semconv.FEATURE_CATEGORY), common.PRESENT, *matchers, chosen=_CHOSEN)


def over_time(*matchers: str) -> str:
    """The share of each category among those a second."""
    return (
        f"{rate(_categories(*matchers), names.CATEGORY)} / ignoring ({names.CATEGORY}) group_left () "
        f"{rate(_categories(*matchers))}"
    )


PANELS: Final = (
    shares(
        Look(
            "Labels now and in training",
            "Share of each true class within the window, beside its share in the training data.",
            _NO_COMPARED, Traffic.LABELS, "percentunit",
        ),
        names.CATEGORY,
        *alike.categories(_LABEL, chosen=_CHOSEN),
    ),
    lines(
        Look(
            "Labels over time", "Share of each true class.", _NO_COMPARED, Traffic.LABELS, "percentunit", most=1,
        ),
        Query(over_time(_LABEL), legend(names.CATEGORY)),
        stacked=True,
    ),
    lines(
        Look(
            "Labels and predictions a second",
            "How many predictions are made and how many truths come back: classes and numbers.",
            _NO_LABELS, Traffic.LABELS, "cps",
        ),
        Query(
            f"{rate(_categories(_EITHER), names.SIGNAL)}\nor "
            + rate(
                feature(names.count(semconv.FEATURE_VALUE), _EITHER, _OTHERS, chosen=_CHOSEN), names.SIGNAL
            ),
            legend(names.SIGNAL),
        ),
    ),
    heat(
        Look(
            "Label delay", "How long after its prediction a label came: how many so late.", _NO_IDS, Traffic.MATCHED,
            "s",
        ),
        Query(increase(_DELAY, names.LE)),
    ),
    lines(
        Look(
            "Label delay, quantiles",
            "Time within which half, 95 and 99 of 100 labels came, of those that came within the window.",
            _NO_IDS, Traffic.MATCHED, "s", 6,
        ),
        *(
            Query(
                f"histogram_quantile({q}, {increase(_DELAY, names.LE, window=common.WINDOW)})",
                f"p{100 * q:g}",
            )
            for q in (0.5, 0.95, 0.99)
        ),
    ),
    lines(
        Look(
            "Matched labels", "Labels a second that were matched with their predictions.", _NO_IDS, Traffic.MATCHED,
            "cps", 4,
        ),
        Query(
            rate(feature(names.name(semconv.MODEL_LABELS), chosen=CHOSEN), names.API, names.MODEL_VERSION),
            legend(names.API, names.MODEL_VERSION),
        ),
        stacked=True,
    ),
    lines(
        Look(
            "Refused labels",
            "Labels a second that were not matched, by why: what is wrong with the id or the label, or that it had "
            "come before (docs/labels.md). Of the whole service.",
            _NONE_REFUSED, Traffic.REFUSED, "cps", 6,
        ),
        Query(rate(select(names.name(semconv.LABEL_REFUSED)), names.REASON), legend(names.REASON)),
        stacked=True,
    ),
)  # fmt: skip
