"""Rules: the errors of regressions that their inputs lead one to expect."""

from __future__ import annotations

from bento_observe import semconv
from bento_observe.features.estimate import BAND
from bento_observe.prometheus_names import metric_name
from collector import recorded
from collector.alerts import Policy
from collector.prometheus._estimate_names import BY, LOSS_REFERENCE, METRIC, OUTCOME, ROWS, WINDOW
from collector.prometheus._rules import Rule

__all__ = ["losses"]

_LOSS = recorded.LOSS
_LOSS_ERROR = "model:ml_performance_loss_estimate_error:pooled"
_LOSS_LOW = recorded.LOSS_LOW
_LOSS_HIGH = recorded.LOSS_HIGH
_LOSS_ROSE = recorded.ROSE


def losses(window: str, policy: Policy) -> list[Rule]:
    """Errors, their bands, and whether they are above what the reference came to."""
    rows, sums = f"model:ml_estimate_loss_rows:increase{window}", f"model:ml_estimate_loss:increase{window}"
    mae, rmse = ({METRIC: metric, WINDOW: window} for metric in (semconv.METRIC_MAE, semconv.METRIC_RMSE))
    this = f'{{{WINDOW}="{window}"}}'

    def of(outcome: str) -> str:
        return f'sum without ({OUTCOME}) ({sums}{{{OUTCOME}="{outcome}"}})'

    spread = f"(1 + {rows} / {ROWS})"
    squared = of(semconv.OUTCOME_SQUARED)
    usual = f"{_LOSS}{this} / {1 + policy.error_margin:g}"
    reference = f"ignoring ({WINDOW}) {LOSS_REFERENCE}"
    return [
        Rule(rows, f"sum by ({BY}) (increase({metric_name(semconv.ESTIMATE_LOSS_ROWS)}[{window}]))"),
        Rule(sums, f"sum by ({BY}, {OUTCOME}) (increase({metric_name(semconv.ESTIMATE_LOSS)}[{window}]))"),
        Rule(_LOSS, f"{of(semconv.OUTCOME_ABSOLUTE)} / ({rows} > 0)", mae),
        Rule(_LOSS_ERROR, f"sqrt({of(semconv.OUTCOME_ABSOLUTE_VARIANCE)} * {spread})\n/ ({rows} > 0)", mae),
        Rule(_LOSS, f"sqrt({squared} / ({rows} > 0))", rmse),
        Rule(
            _LOSS_ERROR,
            f"sqrt({of(semconv.OUTCOME_SQUARED_VARIANCE)} * {spread})\n"
            f"/ ({rows} > 0)\n/ (2 * sqrt({squared} / ({rows} > 0)) > 0)",
            rmse,
        ),
        Rule(_LOSS_LOW, f"clamp_min({_LOSS}{this} - {BAND} * {_LOSS_ERROR}{this}, 0)", {WINDOW: window}),
        Rule(_LOSS_HIGH, f"{_LOSS}{this} + {BAND} * {_LOSS_ERROR}{this}", {WINDOW: window}),
        Rule(
            _LOSS_ROSE,
            f"({_LOSS_LOW}{this} > bool {reference})\n* ({usual} > bool {reference})",
            {WINDOW: window},
        ),
    ]
