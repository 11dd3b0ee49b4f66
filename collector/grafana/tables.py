"""Tables: rows of several queries, and a matrix of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import prometheus
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue

from collector.grafana.look import Look, Panel, Query
from collector.grafana.targets import as_of_now, asking, organised

__all__ = ["matrix", "rows"]


def rows(
    look: Look,
    queries: Sequence[Query],
    columns: dict[str, str],
    properties: dict[str, dict[str, Any]],
    order: tuple[str, bool],
    hidden: Sequence[str] = ("Time",),
) -> Panel:
    """A table: the instant queries A, B, C, ..., joined where all labels are the same.

    Args:
        look: Title, description and so on.
        queries: All with the same labels.
        columns: What to call which field, in the order of the columns. Values are fields "Value #A" and so on.
        properties: Of the columns so called, such as their unit.
        order: By which column the rows are sorted, and whether the largest comes first.
        hidden: Fields that are left out.
    """
    panel = (
        _table()
        .sort_by([common.TableSortByFieldState().display_name(order[0]).desc(order[1])])
        .filterable(True)
        .transformations(
            [DataTransformerConfig(id_val="merge", options={}), organised(columns, hidden=hidden)],
        )
    )
    for name, of_column in properties.items():
        panel = panel.override_by_name(name, [DynamicConfigValue(key, value) for key, value in of_column.items()])
    return asking(panel.build(), look, [as_of_now(query, prometheus.PromQueryFormat.TABLE) for query in queries])


def matrix(look: Look, expr: str, row: str, column: str, corner: str) -> Panel:
    """A table of a line for each value of the label `row`, with a cell for each of `column`, coloured by `look.steps`.

    `corner` is what the first column is called, in which the values of `row` are.
    """
    crossing = f"{row}\\{column}"  # as Grafana calls that column
    panel = (
        _table()
        .cell_options(kinds.TableColoredBackgroundCellOptions(mode=kinds.TableCellBackgroundDisplayMode.BASIC))
        .transformations(
            [
                # Lines and columns come in the order in which their values are seen first.
                DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": column, "desc": False}]}),
                DataTransformerConfig(
                    id_val="groupingToMatrix",
                    options={"columnField": column, "rowField": row, "valueField": "Value", "emptyValue": "null"},
                ),
                DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": crossing, "desc": False}]}),
                organised({crossing: corner}),
            ]
        )
    )
    return asking(panel.build(), look, [as_of_now(Query(expr), prometheus.PromQueryFormat.TABLE)])


def _table() -> table.Panel:
    """What all tables have in common."""
    return (
        table.Panel()
        .show_header(True)
        .cell_height(kinds.TableCellHeight.SM)
        .align(kinds.FieldTextAlignment.AUTO)
        .inspect(False)
    )
