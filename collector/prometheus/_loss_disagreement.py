"""Rules: whether the errors of a regression that labels tell are those that its inputs lead one to expect."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from collector import recorded
from collector.alerts import Policy
from collector.prometheus._rules import RESOURCE, Rule

__all__ = ["loss_disagreement"]

_DISAGREEMENT: Final = recorded.LOSS_DISAGREEMENT
_CRITICAL: Final = recorded.LOSS_DISAGREEMENT_CRITICAL
_VARIANCE: Final = "model:ml_performance_loss_variance:pooled"
_CHANCE: Final = "model:ml_performance_loss_disagreement_chance:pooled"
_DISAGREES: Final = recorded.LOSS_DISAGREES

_ESTIMATE: Final = recorded.LOSS
_REFERENCE_ROWS: Final = recorded.ESTIMATE_ROWS

_LATEST: Final = 0.25
"""Labels that are later than that, on average and in windows, are of other inputs than those of the window."""

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}

_OUTCOME, _METRIC, _WINDOW, _SLICE = map(
    label_name, (semconv.ML_OUTCOME, semconv.ML_PERFORMANCE_METRIC, semconv.ML_DRIFT_WINDOW, semconv.ML_SLICE_NAME)
)
_MODEL: Final = ", ".join(label_name(name) for name in (*RESOURCE, semconv.ML_MODEL_NAME, semconv.API_NAME))
_WHOLE: Final = f'{_SLICE}=""'


def loss_disagreement(window: str, policy: Policy) -> list[Rule]:
    """The mean absolute error of the labels that came within `window` less the one that was to be expected of it.

    It is no comparison of the same predictions: a prediction's id carries its value, and not what was expected of it.
    What is chance is therefore that of both, with the whole variance V of the absolute error, between leaves and within
    them: sigmas times the root of V (1/n + 1/m), of n labels and of m rows of the reference.
    """
    rows = f"model:ml_estimate_loss_rows:increase{window}{{{_WHOLE}}}"
    labels = f"model:ml_performance_loss_labels:increase{window}"
    this = {_METRIC: semconv.METRIC_MAE, _WINDOW: window}
    selector = ", ".join((*(f'{name}="{value}"' for name, value in this.items()), _WHOLE))
    estimate, variance, chance, apart, critical = (
        f"{name}{{{selector}}}" for name in (_ESTIMATE, _VARIANCE, _CHANCE, _DISAGREEMENT, _CRITICAL)
    )
    least = f"{policy.error_margin:g} * {estimate}"
    delay = metric_name(semconv.LABEL_DELAY)

    def increase(series: str) -> str:
        return f"sum by ({_MODEL}) (increase({series}[{window}]))"

    def mean(outcome: str) -> str:
        sums = f'model:ml_estimate_loss:increase{window}{{{_OUTCOME}="{outcome}", {_WHOLE}}}'
        return f"sum without ({_OUTCOME}) ({sums}) / ({rows} > 0)"

    return [
        Rule(
            labels,
            f"{increase(f'{metric_name(semconv.MODEL_LABELS)}{{{_WHOLE}}}')} >= {policy.least_judged}\n"
            f"and on ({_MODEL})\n{increase(f'{delay}_sum')}\n/ {increase(f'{delay}_count')}\n"
            f"<= {_LATEST * _seconds(window):g}",
        ),
        Rule(
            _DISAGREEMENT,
            f"{increase(f'{metric_name(semconv.MODEL_ERROR)}{{{_WHOLE}}}')} / {labels}\n"
            f"- on ({_MODEL}) group_right () {estimate}",
            this,
        ),
        Rule(
            _VARIANCE,
            f"clamp_min(\n  {mean(semconv.OUTCOME_SQUARED)}\n  - ({mean(semconv.OUTCOME_ABSOLUTE)}) ^ 2,\n  0\n)",
            this,
        ),
        Rule(
            _CHANCE,
            f"{policy.concept_sigmas:g} * sqrt(\n  {variance} / on ({_MODEL}) group_left () {labels}\n"
            f"  + {variance} / ignoring ({_METRIC}, {_WINDOW}) group_left () {_REFERENCE_ROWS}\n)",
            this,
        ),
        # The larger of the two, and nothing where chance is not known.
        Rule(_CRITICAL, f"{chance} > {least}\nor {least} >= {chance}", this),
        Rule(_DISAGREES, f"abs({apart}) > bool {critical}", this),
    ]


def _seconds(window: str) -> int:
    return int(window[:-1]) * _SECONDS[window[-1]]
