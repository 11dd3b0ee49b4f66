"""Slices: which rows belong to which value of a column, whatever form the data comes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest

from bento_observe._slices import Slices, keys_in
from bento_observe.features import FeatureStatistics

ROWS = [{"country": "CH", "x": 1.0}, {"country": "DE", "x": 2.0}, {"country": None, "x": 3.0}]


class Person(pydantic.BaseModel):
    country: str | None
    x: float


@pytest.mark.parametrize(
    "argument",
    [
        ROWS,
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS).astype({"country": "category"}),
        {"country": ["CH", "DE", None], "x": [1.0, 2.0, 3.0]},
        [Person(**row) for row in ROWS],
        pd.DataFrame(ROWS).to_numpy(),
        [list(row.values()) for row in ROWS],
    ],
)
def test_the_column_is_found_in_every_form(argument: object) -> None:
    """One key a row, nothing being a key of its own."""
    assert keys_in({"people": argument}, "country", ("country", "x")) == ["CH", "DE", "__missing__"]


def test_one_row_has_one_key() -> None:
    """A record, a model, a lone parameter, one row of an array."""
    assert keys_in({"person": ROWS[0]}, "country", ()) == "CH"
    assert keys_in({"person": Person(**ROWS[2])}, "country", ()) == "__missing__"
    assert keys_in({"country": 3, "x": 1.0}, "country", ()) == "3"
    assert keys_in({"row": np.array([7.0, 1.0])}, "country", ("country", "x")) == "7"


def test_what_has_no_such_column_has_no_keys() -> None:
    """Nothing to slice by, which is not the same as a missing value."""
    for argument in ([], [1, 2], {"x": 1}, pd.DataFrame({"x": [1]}), np.ones((2, 3)), "text", None, object()):
        assert keys_in({"data": argument}, "country", ("country", "x")) is None


@dataclass
class Made:
    """Aggregators as they are made, by slice."""

    by_value: dict[str, FeatureStatistics]

    def __call__(self, _column: str, value: str) -> Mapping[str, FeatureStatistics]:
        assert value not in self.by_value
        self.by_value[value] = FeatureStatistics()
        return {"prediction": self.by_value[value]}

    def sums(self) -> dict[str, tuple[int, float]]:
        found = {}
        for value, statistics in self.by_value.items():
            features: Any = statistics.snapshot().features
            if features:
                found[value] = (features["value"].count, features["value"].sum)
        return found


@pytest.mark.parametrize(
    "form",
    [
        np.asarray, list, pd.Series, lambda values: pd.DataFrame({"value": values}),
        lambda values: {"value": values}, lambda values: {"value": np.array(values)},
    ],
)  # fmt: skip
def test_rows_of_several_slices_are_taken_apart(form: Any) -> None:
    """Counts and sums of the slices add up to the whole, those beyond the limit in `__other__`."""
    made = Made({})
    slices = Slices("country", (), 2, made)
    assert slices.update("prediction", form([1.0, 2.0, 4.0, 8.0]), ["CH", "DE", "CH", "FR"])
    assert slices.update("prediction", form([16.0, 32.0]), ["FR", "AT"])
    assert slices.update("prediction", 64.0, "DE")
    assert made.sums() == {"CH": (2, 5.0), "DE": (2, 66.0), "__other__": (3, 56.0)}


def test_the_training_data_says_which_values_have_a_slice() -> None:
    """They are there from the start, so that all workers have the same, and no others come."""
    made = Made({})
    slices = Slices("country", ("DE", "CH", "FR"), 2, made)
    assert set(made.by_value) == {"DE", "CH", "__other__"}
    slices.update("prediction", [1.0, 2.0], ["XX", "CH"])
    assert made.sums() == {"CH": (1, 2.0), "__other__": (1, 1.0)}


def test_values_cannot_grow_without_bound() -> None:
    """A thousand values make twenty slices and one for the others."""
    made = Made({})
    slices = Slices("country", (), 20, made)
    for value in range(1000):
        slices.update("prediction", 1.0, str(value))
    assert len(made.by_value) == 21
    assert made.sums()["__other__"] == (980, 980.0)


def test_data_of_another_length_is_told_and_not_counted() -> None:
    """An answer that is no row a request row cannot be sliced by the rows."""
    made = Made({})
    slices = Slices("country", (), 20, made)
    for data in ([1.0], {"total": 3.0}, {"total": [3.0]}, {"a": [1, 2], "b": [1]}, {}, "text", 5.0, np.ones(3)):
        assert not slices.update("prediction", data, ["CH", "DE"])
    assert made.sums() == {}
    assert slices.update("prediction", 7.0, ["CH", "CH"])


def test_of_large_batches_some_rows_are_taken_and_the_others_counted() -> None:
    """At most a thousand, evenly spaced; rows of one slice cost nothing and are all counted."""
    made = Made({})
    slices = Slices("country", (), 20, made)
    assert slices.update("prediction", np.ones(10_000), ["CH", "DE", "DE"] * 3333 + ["CH"])
    assert sum(count for count, _ in made.sums().values()) == 1000
    assert slices.sampled == 9000
    assert slices.update("prediction", np.ones(5000), ["CH"] * 5000)
    assert slices.sampled == 9000
