"""The tables of the receiver's database and how a decoded row goes into them.

Times are nanoseconds since the Unix epoch (`*_ns`), attribute sets are JSON objects with the OTLP keys, ids are
lower-case hex. A value that OTLP leaves out is NULL; so is a NaN, which DuckDB's NumPy reader can't tell from a
missing number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["ABSENT", "LOGS", "POINTS", "SCHEMA_VERSION", "SPANS", "TABLES", "Column", "Row", "Table"]

Row: TypeAlias = tuple[Any, ...]

SCHEMA_VERSION: Final = 1
ABSENT: Final = int(np.iinfo(np.int64).min)
"""Stands for NULL in a BIGINT column: a NumPy integer array has no other way to say it."""


class _Carrier(Enum):
    """The NumPy array that carries a column into DuckDB."""

    TEXT = "object"
    INTEGER = "int64"
    REAL = "float64"


@dataclass(frozen=True)
class Column:
    """One column: `type` is DuckDB's; everything that isn't a plain number travels as text and is cast on insertion."""

    name: str
    type: str = "VARCHAR"

    @property
    def _carrier(self) -> _Carrier:
        return {"BIGINT": _Carrier.INTEGER, "DOUBLE": _Carrier.REAL}.get(self.type, _Carrier.TEXT)

    @property
    def expression(self) -> str:
        """How the column is read from the array that `array` made."""
        if self._carrier is _Carrier.INTEGER:
            return f"nullif({self.name}, {ABSENT})"
        return f"{self.name}::{self.type}"

    def array(self, values: Sequence[Any]) -> npt.NDArray[Any]:
        """The column's values, one a row, as the array DuckDB reads without copying Python objects one by one."""
        if self._carrier is not _Carrier.TEXT:
            return np.array(values, dtype=self._carrier.value)
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array


@dataclass(frozen=True)
class Table:
    """One table, with the statements that make it and fill it."""

    name: str
    columns: tuple[Column, ...]

    @property
    def create(self) -> str:
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns})"

    @property
    def insert(self) -> str:
        """Inserts everything in the registered relation `batch`."""
        expressions = ", ".join(column.expression for column in self.columns)
        return f"INSERT INTO {self.name} SELECT {expressions} FROM batch"  # noqa: S608 - names of this module

    def batch(self, rows: Sequence[Row]) -> dict[str, npt.NDArray[Any]]:
        """`rows`, at least one, each with a value a column in the table's order, as one array a column."""
        columns = zip(*rows, strict=True)
        return {column.name: column.array(values) for column, values in zip(self.columns, columns, strict=True)}


_ORIGIN: Final = (
    Column("service_name"),
    Column("service_instance_id"),
    Column("scope_name"),
    Column("scope_version"),
    Column("resource", "JSON"),
)
"""Who sent it: the last columns of every table."""

SPANS: Final = Table(
    "spans",
    (
        Column("trace_id"),
        Column("span_id"),
        Column("parent_span_id"),
        Column("name"),
        Column("kind"),
        Column("start_ns", "BIGINT"),
        Column("end_ns", "BIGINT"),
        Column("duration_ns", "BIGINT"),
        Column("status_code"),
        Column("status_message"),
        Column("attributes", "JSON"),
        Column("events", "JSON"),
        Column("links", "JSON"),
        *_ORIGIN,
    ),
)

POINTS: Final = Table(
    "metric_points",
    (
        Column("name"),
        Column("unit"),
        Column("kind"),
        Column("temporality"),
        Column("monotonic", "BOOLEAN"),
        Column("attributes", "JSON"),
        Column("start_ns", "BIGINT"),
        Column("time_ns", "BIGINT"),
        Column("value", "DOUBLE"),
        Column("count", "BIGINT"),
        Column("sum", "DOUBLE"),
        Column("min", "DOUBLE"),
        Column("max", "DOUBLE"),
        Column("bounds", "DOUBLE[]"),
        Column("bucket_counts", "BIGINT[]"),
        Column("scale", "BIGINT"),
        Column("zero_count", "BIGINT"),
        Column("zero_threshold", "DOUBLE"),
        Column("positive_offset", "BIGINT"),
        Column("positive_counts", "BIGINT[]"),
        Column("negative_offset", "BIGINT"),
        Column("negative_counts", "BIGINT[]"),
        Column("quantiles", "JSON"),
        Column("exemplars", "JSON"),
        Column("flags", "BIGINT"),
        *_ORIGIN,
    ),
)

LOGS: Final = Table(
    "logs",
    (
        Column("time_ns", "BIGINT"),
        Column("observed_ns", "BIGINT"),
        Column("severity_number", "BIGINT"),
        Column("severity_text"),
        Column("body"),
        Column("attributes", "JSON"),
        Column("trace_id"),
        Column("span_id"),
        Column("event_name"),
        *_ORIGIN,
    ),
)

TABLES: Final = (SPANS, POINTS, LOGS)
