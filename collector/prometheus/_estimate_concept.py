"""Rules: labels that came, against what the confidence of their predictions let one expect."""

from __future__ import annotations

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from collector import recorded
from collector.alerts import Policy
from collector.prometheus._estimate_names import OF_REFERENCE, OUTCOME, REFERENCE_ROWS, WINDOW
from collector.prometheus._rules import RESOURCE, Rule

__all__ = ["OF_LABELS", "disagreement"]

OF_LABELS = ", ".join(label_name(name) for name in (*RESOURCE, *semconv.ESTIMATE_JUDGED.attributes))
_DISAGREEMENT = recorded.DISAGREEMENT
_DISAGREEMENT_CRITICAL = recorded.DISAGREEMENT_CRITICAL
_DISAGREES = recorded.DISAGREES


def disagreement(window: str, policy: Policy) -> list[Rule]:
    """Errors that were observed less those that were expected, of the same predictions."""
    judged, errors = f"model:ml_estimate_judged:increase{window}", f"model:ml_estimate_errors:increase{window}"
    labels = {WINDOW: window}
    this = f'{{{WINDOW}="{window}"}}'

    def of(outcome: str) -> str:
        return f'{errors}{{{OUTCOME}="{outcome}"}}'

    variance = f"sum without ({OUTCOME}) ({of(semconv.OUTCOME_VARIANCE)})"
    enough = f"({judged} >= {policy.least_judged})"
    spread = f"(1 + {judged} / on ({OF_REFERENCE}) group_left () {REFERENCE_ROWS})"
    return [
        Rule(judged, f"sum by ({OF_LABELS}) (increase({metric_name(semconv.ESTIMATE_JUDGED)}[{window}]))"),
        Rule(errors, f"sum by ({OF_LABELS}, {OUTCOME}) (increase({metric_name(semconv.ESTIMATE_ERRORS)}[{window}]))"),
        Rule(
            _DISAGREEMENT,
            f"(\n  {of(semconv.OUTCOME_OBSERVED)}\n  - ignoring ({OUTCOME}) {of(semconv.OUTCOME_EXPECTED)}\n)\n"
            f"/ {enough}",
            labels,
        ),
        Rule(
            _DISAGREEMENT_CRITICAL,
            f"clamp_min(\n  {policy.concept_sigmas:g} * sqrt({variance} * {spread})\n"
            f"  / {enough},\n  {policy.performance_margin:g}\n)",
            labels,
        ),
        Rule(_DISAGREES, f"abs({_DISAGREEMENT}{this}) > bool {_DISAGREEMENT_CRITICAL}{this}", labels),
    ]
