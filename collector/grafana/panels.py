"""Panels over Prometheus, and those that ask nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from grafana_foundation_sdk.builders import barchart, common, heatmap, stat, timeseries
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard, prometheus
from grafana_foundation_sdk.models import heatmap as heatmap_kinds
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue

from collector.grafana.look import Look, Panel, Query
from collector.grafana.targets import as_of_now, asking, organised, over_time

__all__ = ["bars", "heat", "lines", "shares", "status"]


def lines(
    look: Look,
    *queries: Query,
    stacked: bool = False,
    styles: Mapping[str, Mapping[str, object]] | None = None,
    patterns: Mapping[str, Mapping[str, object]] | None = None,
) -> Panel:
    """Values over time. `styles` are properties such as a dashed line, by the name of a series; `patterns` are the same
    by a regular expression, which finds what it matches anywhere in a name.
    """
    panel = (
        timeseries.Panel()
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.TABLE)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
        .line_width(1)
        .fill_opacity(40 if stacked else 8)
        .show_points(kinds.VisibilityMode.AUTO)
        .span_nulls(True)
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
    if look.steps:
        panel = panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED))
    for name, properties in (styles or {}).items():
        panel = panel.override_by_name(name, [DynamicConfigValue(key, value) for key, value in properties.items()])
    for pattern, properties in (patterns or {}).items():
        found = [DynamicConfigValue(key, value) for key, value in properties.items()]
        panel = panel.override_by_regexp(f"/{pattern}/", found)
    return asking(panel.build(), look, [over_time(query) for query in queries])


def status(look: Look, query: Query, mappings: list[dashboard.ValueMapping] | None = None) -> Panel:
    """One number, as of now."""
    panel = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_mode(kinds.BigValueColorMode.BACKGROUND if look.steps else kinds.BigValueColorMode.NONE)
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .text_mode(kinds.BigValueTextMode.VALUE)
    )
    if mappings:
        panel = panel.mappings(mappings)
    return asking(panel.build(), replace(look, height=4), [as_of_now(query, prometheus.PromQueryFormat.TIME_SERIES)])


def heat(look: Look, query: Query) -> Panel:
    """How a distribution changed, of buckets by `le` or of a native histogram; its values are in `look.unit`."""
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_kinds.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .scale(heatmap_kinds.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
        )
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .y_axis(heatmap.YAxisConfig().unit(look.unit).axis_placement(kinds.AxisPlacement.LEFT))
        .mode(kinds.TooltipDisplayMode.SINGLE)
        .show_y_histogram()
        .show_legend()
        .exemplars_color("rgba(255,0,255,0.7)")
        .hide_from(common.HideSeriesConfig().tooltip(False).legend(False).viz(False))
    )
    made = over_time(replace(query, legend="{{le}}")).format(prometheus.PromQueryFormat.HEATMAP)
    return asking(panel.build(), look, [made])


def bars(look: Look, now: str, training: str, called: tuple[str, str] = ("now", "training")) -> Panel:
    """Two distributions bar by bar, of shares up to each bound (`le`), of which Grafana makes those between them.

    The format `heatmap` sorts the bounds and takes from each share the one below it. What follows makes a table of the
    two: each query becomes rows (bound, share), under a column of its own because it is reduced by a function of its
    own, which of one value is that value; rows of one bound become one.
    """
    panel = (
        barchart.Panel()
        .x_field("bound")
        .show_value(kinds.VisibilityMode.NEVER)
        .x_tick_label_rotation(-45)
        .group_width(0.85)
        .bar_width(0.95)
        .fill_opacity(80)
        .line_width(1)
        .gradient_mode(kinds.GraphGradientMode.NONE)
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.NONE))
        .transformations(
            [
                _reduced("A", "lastNotNull"),
                _reduced("B", "max"),
                DataTransformerConfig(id_val="merge", options={}),
                organised({"Field": "bound", "Last *": called[0], "Max": called[1]}),
            ]
        )
    )
    queries = [as_of_now(Query(expr, "{{le}}"), prometheus.PromQueryFormat.HEATMAP) for expr in (now, training)]
    return asking(panel.build(), look, queries)


def shares(
    look: Look,
    by: str,
    now: str,
    training: str,
    called: tuple[str, str] = ("now", "training"),
    order: tuple[str, bool] = ("training", True),
) -> Panel:
    """Two distributions over the values of the label `by`, side by side.

    `order` is by which of the columns `called` they are sorted, and whether the largest comes first.

    Grafana calls the values of queries A and B "Value #A" and "Value #B", and of a single query with an answer "Value":
    that of now, where there is no training data.
    """
    panel = (
        barchart.Panel()
        .x_field(by)
        .show_value(kinds.VisibilityMode.AUTO)
        .fill_opacity(80)
        .line_width(1)
        .gradient_mode(kinds.GraphGradientMode.NONE)
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.NONE))
        .transformations(
            [
                DataTransformerConfig(id_val="merge", options={}),
                organised({by: by, "Value": called[0], "Value #A": called[0], "Value #B": called[1]}, hidden=["Time"]),
                DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": order[0], "desc": order[1]}]}),
            ]
        )
    )
    queries = [as_of_now(Query(expr), prometheus.PromQueryFormat.TABLE) for expr in (now, training)]
    return asking(panel.build(), look, queries)


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )


def _reduced(query: str, function: str) -> DataTransformerConfig:
    return DataTransformerConfig(
        id_val="reduce",
        filter_val=dashboard.MatcherConfig(id_val="byRefId", options=query),
        options={"reducers": [function], "mode": "seriesToRows"},
    )
