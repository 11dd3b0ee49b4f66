"""The variables of all dashboards, and how their values get into a query.

A value goes into PromQL as ``label=~`${variable:regex}` ``: Grafana's format `regex` puts a backslash before each
character of ``\\ ^ $ * + ? . ( ) | [ ] { } /``, which RE2 takes for the character itself, and PromQL takes nothing
within backticks for an escape. So quotes, backslashes, braces, spaces, newlines and any other alphabet go through as
they are; a backtick is the one character that cannot, and a feature whose name has one cannot be looked at.

Relied on, in Grafana 11.6 and 12 (packages/scenes: `sceneInterpolator`, `formatRegistry`): a format that is written out
wins over the data source's own escaping; several values become `(a|b)`; a variable's `allValue` is put in as it stands,
in any format. Grafana's own escaping (`interpolateQueryExpr` of its Prometheus data source) is not used: unless the
feature toggle `prometheusSpecialCharsInLabelValues` is on, it lets a double quote end the string.

In Lucene a value goes in as `"${variable:lucene}"`, a phrase in which that format escapes quotes and backslashes.
"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import CustomVariable, QueryVariable
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from bento_observe import semconv
from collector.grafana import names
from collector.grafana.sources import PROMETHEUS

__all__ = ["ANY", "UNSLICED", "labels_of", "matcher", "variables"]

ANY: Final = ".*"
"""What "All" stands for: also series without that label, such as those of a service without a version."""

UNSLICED: Final = "()"
"""What "All" stands for in `slice`: no slice, since slices count again what the whole has counted."""

_LABELS: Final = {
    "environment": names.ENVIRONMENT,
    "namespace": names.NAMESPACE,
    "service": names.SERVICE,
    "version": names.VERSION,
    "instance": names.INSTANCE,
    "model": names.MODEL,
    "model_version": names.MODEL_VERSION,
    "api": names.API,
    "signal": names.SIGNAL,
    "feature": names.FEATURE,
    "reference": names.REFERENCE,
    "slice": names.SLICE,
}
_SINGLE: Final = ("service", "feature", "slice")
_OF_A_FEATURE: Final = ("signal", "reference")
"""Of these one value at a time, and a choice of "All" only for `slice`; of the latter where a feature is chosen."""

_ALIVE: Final = names.name(semconv.PROCESS_MEMORY_USAGE)
"""A series that each worker of each service has, from its first export on."""

_FEATURES: Final = names.name(semconv.FEATURE_MISSING)
"""A series that each feature has, numeric or not, with a reference or without."""

_BINS: Final = names.name(semconv.FEATURE_BIN)
_LABELLED: Final = names.name(semconv.MODEL_LABELS)
_STAGES: Final = names.count(semconv.STAGE_DURATION)


def matcher(variable: str) -> str:
    """What selects the series that a variable chooses."""
    return f"{_LABELS[variable]}=~`${{{variable}:regex}}`"


def labels_of(*chosen: str) -> str:
    """The matchers of several variables, with commas between them."""
    return ", ".join(matcher(variable) for variable in chosen)


def variables(*wanted: str) -> list[Builder[dashboard.VariableModel]]:
    """The variables `wanted`, in this order; the choices of each depend on those before it.

    Raises:
        KeyError: there is no such variable.
    """
    made: list[Builder[dashboard.VariableModel]] = []
    for position, variable in enumerate(wanted):
        if variable == "window":
            made.append(_window())
        else:
            single = variable in _SINGLE or (variable in _OF_A_FEATURE and "feature" in wanted)
            made.append(_choice(variable, [known for known in wanted[:position] if known in _LABELS], single))
    return made


def _choice(variable: str, before: list[str], single: bool) -> QueryVariable:
    label = _LABELS[variable]
    if variable in ("environment", "namespace", "service", "version", "instance"):
        metric = _ALIVE
    elif variable == "slice":
        metric = _BINS
    elif variable == "model_version":
        metric, before = _LABELLED, [known for known in before if known not in _OF_A_FEATURE]
    elif variable == "api" and "model" not in before:
        metric = _STAGES
    else:
        metric = _FEATURES
    selector = f"{metric}{{{labels_of(*before)}}}"
    query, sort = f"label_values({selector}, {label})", dashboard.VariableSort.NATURAL_ASC
    if single and variable == "reference":
        query, sort = f"query_result({_newest(selector)})", dashboard.VariableSort.DISABLED
    made = (
        QueryVariable(variable)
        .label("API" if variable == "api" else variable.replace("_", " ").capitalize())
        .description(_TOLD[variable])
        .datasource(PROMETHEUS)
        .query({"qryType": 1, "query": query, "refId": f"{variable}-values"})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(sort)
        .multi(not single)
    )
    if single and variable == "reference":
        made = made.regex(f'/{label}="([^"]+)"/')
    if single and variable != "slice":
        return made.include_all(False)
    everything = UNSLICED if variable == "slice" else ANY
    chosen = dashboard.VariableOption(selected=True, text="All", value="$__all")
    if not single:
        chosen = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
    return made.include_all(True).all_value(everything).current(chosen)


def _newest(selector: str) -> str:
    """Its references, that of the worker which was seen first last before the others: the first one is chosen.

    What is younger than the last full minute is as new as can be. A feature without a reference has series without
    that label, and no choice.
    """
    first_seen = f"min_over_time(timestamp({selector})[$__range:1m]) or timestamp({selector})"
    return f"sort_desc(max by ({names.REFERENCE}) ({first_seen}))"


def _window() -> CustomVariable:
    options = [
        dashboard.VariableOption(selected=window == names.WINDOWS[0], text=window, value=window)
        for window in names.WINDOWS
    ]
    return (
        CustomVariable("window")
        .label("Window")
        .description(_TOLD["window"])
        .values(",".join(names.WINDOWS))
        .options(options)
        .current(options[0])
    )


_TOLD: Final = {
    "environment": "Where it runs: deployment.environment.name, if the service was given one.",
    "namespace": "The bento that the service belongs to.",
    "service": "The BentoML service, or the legacy runner.",
    "version": "The version of the bento; none where a service is served from source.",
    "instance": "The worker process.",
    "model": "The model, where the service told its name.",
    "model_version": "The version of the model that labels with ids are of, where the service told it.",
    "api": "The API of the service.",
    "signal": "input: what requests carried; feature: what the model saw; prediction; label.",
    "feature": "The feature.",
    "reference": "The training data that was compared with, by the hash of its statistics.",
    "window": "How far back drift, means and shares look; those that Prometheus records rules for.",
    "slice": "A value of the sliced column, each compared with its own training rows; All is the whole, unsliced.",
}
