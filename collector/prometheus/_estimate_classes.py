"""Rules: how right classifiers are expected to be."""

from __future__ import annotations

from bento_observe import semconv
from bento_observe.features.estimate import BAND
from bento_observe.prometheus_names import label_name, metric_name
from collector import recorded
from collector.alerts import Policy
from collector.prometheus._estimate_names import BY, METRIC, OUTCOME, REFERENCE, ROWS, WINDOW
from collector.prometheus._rules import Rule

__all__ = ["estimates"]

_CLASS, _BIN = map(label_name, (semconv.ML_CLASS, semconv.ML_SCORE_BIN))
_OF_CLASS = recorded.ESTIMATE_OF_CLASS
_OF_CLASS_ERROR = "class:ml_performance_estimate_error:pooled"
_ESTIMATE = recorded.ESTIMATE
_ERROR = "model:ml_performance_estimate_error:pooled"
_LOW = recorded.ESTIMATE_LOW
_HIGH = recorded.ESTIMATE_HIGH
_FELL = recorded.FELL


def estimates(window: str, policy: Policy) -> list[Rule]:
    """Figures of each class and of all, their bands, and whether they are below what the reference came to."""
    names = (
        "predictions", "spread", "hits", "misses", "hits_variance", "misses_variance", "positives", "negatives",
        "positives_above", "area",
    )  # fmt: skip
    chosen, spread, hits, misses, hits_variance, misses_variance, positives, negatives, above, area = (
        f"{'model' if name == 'spread' else 'class'}:ml_estimate_{name}:increase{window}" for name in names
    )
    scores = f"bin:ml_estimate_scores:increase{window}"

    def increase(metric: semconv.Metric, outcome: str = "") -> str:
        selector = f'{{{OUTCOME}="{outcome}"}}' if outcome else ""
        return f"sum by ({BY}, {_CLASS}) (increase({metric_name(metric)}{selector}[{window}]))"

    def scored(outcome: str) -> str:
        return f'{scores}{{{OUTCOME}="{outcome}"}}'

    def spreading(outcome: str) -> str:
        variance = increase(semconv.ESTIMATE_VARIANCE, outcome)
        return f"{variance}\n* ignoring ({_CLASS}) group_left () {spread}"

    both = f"({chosen} + {hits} + {misses} > 0)"
    positive = f"({hits} + {misses} > 0)"

    def of_classes(series: str, metric: str) -> str:
        return f'avg without ({_CLASS}) ({series}{{{METRIC}="{metric}", {WINDOW}="{window}"}})'

    return [
        Rule(chosen, f"sum by ({BY}, {_CLASS}) (increase({metric_name(semconv.ESTIMATE_PREDICTIONS)}[{window}]))"),
        Rule(spread, f"1 + sum without ({_CLASS}) ({chosen}) / {ROWS}"),
        Rule(hits, increase(semconv.ESTIMATE_OUTCOMES, semconv.OUTCOME_HIT)),
        Rule(misses, increase(semconv.ESTIMATE_OUTCOMES, semconv.OUTCOME_MISS)),
        Rule(hits_variance, spreading(semconv.OUTCOME_HIT)),
        Rule(misses_variance, spreading(semconv.OUTCOME_MISS)),
        Rule(
            scores,
            f"sum by ({BY}, {_CLASS}, {_BIN}, {OUTCOME}) "
            f"(increase({metric_name(semconv.ESTIMATE_SCORES)}[{window}]))",
        ),
        Rule(positives, f"sum without ({_BIN}, {OUTCOME}) ({scored(semconv.OUTCOME_POSITIVE)})"),
        Rule(negatives, f"sum without ({_BIN}, {OUTCOME}) ({scored(semconv.OUTCOME_NEGATIVE)})"),
        Rule(
            above,
            f"sum without ({_BIN}, {OUTCOME}) (\n  {scored(semconv.OUTCOME_POSITIVE)}\n  * ignoring ({OUTCOME}) (\n"
            f"    {scored(semconv.OUTCOME_NEGATIVE_BELOW)}\n"
            f"    + ignoring ({OUTCOME}) {scored(semconv.OUTCOME_NEGATIVE)} / 2\n  )\n)",
        ),
        Rule(area, f"{above} / ({positives} * {negatives} > 0)"),
        *_both(
            semconv.METRIC_PRECISION, window,
            f"{hits} / ({chosen} > 0)",
            f"sqrt({hits_variance}) / ({chosen} > 0)",
        ),
        *_both(
            semconv.METRIC_RECALL, window,
            f"{hits} / {positive}",
            f"sqrt({misses} ^ 2 * {hits_variance} + {hits} ^ 2 * {misses_variance})\n/ {positive} ^ 2",
        ),
        *_both(
            semconv.METRIC_F1, window,
            f"2 * {hits} / {both}",
            f"2 * sqrt(({chosen} + {misses}) ^ 2 * {hits_variance} + {hits} ^ 2 * {misses_variance})\n/ {both} ^ 2",
        ),
        *_both(
            semconv.METRIC_ROC_AUC, window,
            area,
            f"sqrt(clamp_min(\n  {area} * (1 - {area})\n"
            f"  + ({area} / (2 - {area}) - {area} ^ 2) * ({positives} - 1)\n"
            f"  + (2 * {area} ^ 2 / (1 + {area}) - {area} ^ 2) * ({negatives} - 1), 0)\n"
            f"  / ({positives} * {negatives} > 0)\n  * ignoring ({_CLASS}) group_left () {spread}\n)",
        ),
        Rule(
            _ESTIMATE,
            f"sum without ({_CLASS}) ({hits}) / (sum without ({_CLASS}) ({chosen}) > 0)",
            {METRIC: semconv.METRIC_ACCURACY, WINDOW: window},
        ),
        Rule(
            _ERROR,
            f"sqrt(sum without ({_CLASS}) ({hits_variance})) / (sum without ({_CLASS}) ({chosen}) > 0)",
            {METRIC: semconv.METRIC_ACCURACY, WINDOW: window},
        ),
        *(
            Rule(record, of_classes(of, metric), {METRIC: metric, WINDOW: window})
            for metric in semconv.PERFORMANCE_METRICS
            if metric != semconv.METRIC_ACCURACY
            for record, of in ((_ESTIMATE, _OF_CLASS), (_ERROR, _OF_CLASS_ERROR))
        ),
        *_bands(window, policy.performance_margin),
    ]  # fmt: skip


def _both(metric: str, window: str, value: str, error: str) -> list[Rule]:
    """A figure of each class, and its standard error."""
    labels = {METRIC: metric, WINDOW: window}
    return [Rule(_OF_CLASS, value, labels), Rule(_OF_CLASS_ERROR, error, labels)]


def _bands(window: str, margin: float) -> list[Rule]:
    this = f'{{{WINDOW}="{window}"}}'
    estimate, high = _ESTIMATE + this, _HIGH + this
    reference = f"ignoring ({WINDOW}) {REFERENCE}"
    return [
        Rule(_LOW, f"clamp_min({estimate} - {BAND} * {_ERROR}{this}, 0)", {WINDOW: window}),
        Rule(_HIGH, f"clamp_max({estimate} + {BAND} * {_ERROR}{this}, 1)", {WINDOW: window}),
        Rule(
            _FELL,
            f"({high} < bool {reference})\n* ({estimate} + {margin:g} < bool {reference})",
            {WINDOW: window},
        ),
    ]
