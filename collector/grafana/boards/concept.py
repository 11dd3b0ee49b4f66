"""Concept drift: labels beside what the confidence of their predictions let one expect."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.grafana import names
from collector.grafana.boards import common
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Panel, Query
from collector.grafana.panels import lines, status
from collector.grafana.promql import by, feature, increase, legend, pooled

__all__ = ["PANELS", "state"]

_CHOSEN: Final = ("reference",)
_NO_OUTCOMES: Final = (
    "No data yet, because fewer than fifty labels came within the window of predictions with a probability, or the "
    "reference has no calibration: send labels with ids, or call record_outcomes(probabilities, labels) "
    "(docs/performance-estimation.md)."
)
_NO_VALUES: Final = (
    "No data yet, because fewer than fifty labels of predicted values came within the window, came late, or the "
    "reference has no loss model: send labels with ids, or give it one (docs/performance-estimation.md)."
)
_BEYOND: Final = "Beyond the critical values, dashed, it is neither chance nor small: concept drift."
_NO_ALARM: Final = "No alarm of a worker in this time."


def _of_pool(series: str) -> str:
    return pooled(series, common.IN_WINDOW, chosen=_CHOSEN)


def _of_errors(series: str) -> str:
    return pooled(series, common.IN_WINDOW, chosen=())


_JUDGED: Final = feature(names.name(semconv.ESTIMATE_JUDGED), chosen=_CHOSEN)


def _of_judged(expr: str, *labels: str) -> str:
    """`expr` where outcomes were told at all: workers send what they think of each API from the start."""
    return f"{expr} and on ({', '.join(labels)}) (sum{by(*labels)} ({_JUDGED}) > 0)"


def _share(outcome: str) -> str:
    """Of the predictions with outcomes within the window, how many were wrong, or were expected to be."""
    errors = feature(names.name(semconv.ESTIMATE_ERRORS), f'{names.OUTCOME}="{outcome}"', chosen=_CHOSEN)
    wrong, every = (increase(one, names.API, window=common.WINDOW) for one in (errors, _JUDGED))
    return f"{wrong} / ({every} > 0)"


def state(width: int = 4) -> Panel:
    """Whether there is any."""
    return status(
        Look(
            "Concept",
            "Whether labels disagree with the confidence of their predictions, within the window or by the detector of "
            "any worker, or with the error expected of a regression: the same inputs have other labels than when the "
            "reference was made.",
            _NO_OUTCOMES, Traffic.OUTCOMES, "short", width, steps=((None, "green"), (1, "red")),
        ),
        Query(
            f"max({_of_pool(names.DISAGREES)}\n"
            f"or {_of_errors(names.LOSS_DISAGREES)}\n"
            f"or ({_of_judged(f'clamp_max({pooled(names.ALARMED, chosen=_CHOSEN)}, 1)', names.API)}))"
        ),
        common.mapped({"0": ("as tested", "green"), "1": ("drifted", "red")}),
    )  # fmt: skip


_EVIDENCE: Final = feature(names.name(semconv.CONCEPT_EVIDENCE), chosen=_CHOSEN)
_DISAGREEMENT: Final = f"avg{by(names.API)} ({_of_pool(names.DISAGREEMENT)})"
_CRITICAL: Final = f"max{by(names.API)} ({_of_pool(names.DISAGREEMENT_CRITICAL)})"
_OFF: Final = f"avg{by(names.API)} ({_of_errors(names.LOSS_DISAGREEMENT)})"
_TOO_FAR_OFF: Final = f"max{by(names.API)} ({_of_errors(names.LOSS_DISAGREEMENT_CRITICAL)})"


def _disagreement(look: Look, difference: str, critical: str, more: str, less: str) -> Panel:
    """Observed less expected, between what is too `more` and too `less` of it."""
    return lines(
        look,
        Query(difference, f"disagreement {legend(names.API)}"),
        Query(critical, f"too {more} {legend(names.API)}"),
        Query(f"-({critical})", f"too {less} {legend(names.API)}"),
        patterns={"^too ": common.dashed()},
    )


PANELS: Final = (
    lines(
        Look(
            "Errors observed and expected",
            "Share of the predictions with outcomes within the window that were wrong, and that were expected to be "
            "by their calibrated confidence.",
            _NO_OUTCOMES, Traffic.OUTCOMES, "percentunit", most=1,
        ),
        Query(_share(semconv.OUTCOME_OBSERVED), f"observed {legend(names.API)}"),
        Query(_share(semconv.OUTCOME_EXPECTED), f"expected {legend(names.API)}"),
        patterns={"^expected ": common.dashed()},
    ),
    _disagreement(
        Look(
            "Disagreement",
            f"Observed less expected share of errors within the window. {_BEYOND}",
            _NO_OUTCOMES, Traffic.OUTCOMES, "percentunit", least=None,
        ),
        _DISAGREEMENT, _CRITICAL, "many", "few",
    ),
    _disagreement(
        Look(
            "Disagreement of errors",
            f"Of predicted values: measured less expected mean absolute error within the window. {_BEYOND}",
            _NO_VALUES, Traffic.VALUES, "short", least=None,
        ),
        _OFF, _TOO_FAR_OFF, "large", "small",
    ),
    lines(
        Look(
            "Evidence of single workers",
            "How near to an alarm the detector of each worker is, which looks at each outcome; 1 is one.",
            _NO_OUTCOMES, Traffic.OUTCOMES, "percentunit", 12, most=1, steps=((None, "transparent"), (1, "red")),
        ),
        Query(
            f"max{by(names.INSTANCE)} ({_of_judged(_EVIDENCE, names.INSTANCE, names.API)})",
            legend(names.INSTANCE),
        ),
    ),
    lines(
        Look(
            "Time since the change",
            "How long ago errors probably became more frequent, of each worker whose detector is alarmed.",
            _NO_ALARM, Traffic.CONCEPT, "s", 12,
        ),
        Query(
            f"max{by(names.INSTANCE)} ({feature(names.name(semconv.CONCEPT_AGE), chosen=_CHOSEN)})",
            legend(names.INSTANCE),
        ),
    ),
)  # fmt: skip
