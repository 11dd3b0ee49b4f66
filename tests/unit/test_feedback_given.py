"""What a handler itself says it predicts, in rows of any number and kind."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bento_observe.feedback._given import given_predictions
from bento_observe.feedback._predicted import predicted
from bento_observe.feedback._prediction import EMPTY, MISSING
from bento_observe.feedback._shape import Shape

NOBODY_KNOWS = Shape()
PROBABLE = Shape(classes=True, names=("no", "yes"), columns=("no", "yes"), fields=("p_no", "p_yes"))
FRAME = pd.DataFrame({"yes": [0.75, 0.25], "no": [0.25, 0.75]})


@pytest.mark.parametrize(
    ("given", "classes", "sure", "missing"),
    [
        (np.array([[0.25, 0.75], [0.75, 0.25]]), ["yes", "no"], [0.75, 0.75], []),
        (np.array([[0.25, 0.75], [math.nan, 1.0], [3.2, -1.0]]), ["yes"], [0.75], [1, 2]),
        (np.array([[0.0, 1.0000001]]), ["yes"], [1.0], []),
        (FRAME, ["yes", "no"], [0.75, 0.75], []),
        (FRAME.to_dict("records"), ["yes", "no"], [0.75, 0.75], []),
        (["yes", None, math.nan, "no"], ["yes", "no"], [], [1, 2]),
        ([[0.25, 0.75], None, (0.75, 0.25), [0.5], [0.5, 0.1]], ["yes", "no"], [0.75, 0.75], [1, 3, 4]),
        ([[0.25, 0.75], [pd.NA, None]], ["yes"], [0.75], [1]),
        (pd.Series([[0.25, 0.75], None, [0.75, 0.25]]), ["yes", "no"], [0.75, 0.75], [1]),
        ([[0.25, 0.75], [10**400, 0.5], None], ["yes"], [0.75], [1, 2]),
        ([None, {"yes": 0.75, "no": 0.25}, [0.75, 0.25]], ["yes", "no"], [0.75, 0.75], [0]),
        ([{"yes": 0.75, "no": 0.25}, {"yes": 1.0, "no": 1.0}], ["yes"], [0.75], [1]),
        (pd.DataFrame({"no": [0.25, None], "yes": [0.75, 0.5]}, dtype="Float64"), ["yes"], [0.75], [1]),
        (pd.Series(["yes", None]), ["yes"], [], [1]),
    ],
)
def test_what_a_handler_gives_is_looked_at_row_by_row(
    given: Any, classes: list[str], sure: list[float], missing: list[int]
) -> None:
    """Numbers that are no probabilities do not pass for some."""
    found = given_predictions(given, None, PROBABLE)
    kept = [row for row in range(len(found)) if row not in missing]
    assert list(found.missing) == missing
    assert [found.classes[row] for row in kept] == classes
    if sure:
        assert [found.confidence[row] for row in kept] == sure


@pytest.mark.parametrize("given", [[1.5, None, 2.5], [1.5, math.inf, 2.5], pd.Series([1.5, None, 2.5])])
def test_values_that_are_not_there_have_no_id(given: Any) -> None:
    """None among decimals does not make classes of them."""
    found = given_predictions(given, None, NOBODY_KNOWS)
    assert (found.values[0], found.values[2], list(found.missing)) == (1.5, 2.5, [1])


@pytest.mark.parametrize(
    ("given", "values", "missing"),
    [
        ([1.5, 2, None], [1.5, 2.0], [2]),
        ([1, 2, None], [1.0, 2.0], [2]),
        ([10**20, 1], [1e20, 1.0], []),
        ([10**400, 1], [1.0], [0]),
        ([1, True, "3", b"4", Decimal("2.5"), Decimal("sNaN")], [1.0, 2.5], [1, 2, 3, 5]),
        (["3", "many"], [], [0, 1]),
        (np.array([True, False]), [], [0, 1]),
        (pd.Series([1, None, 2], dtype="Int64"), [1.0, 2.0], [1]),
        ([np.array(1.5), 2], [1.5, 2.0], []),
    ],
)
def test_where_the_reference_has_values_there_are_no_classes(
    given: Any, values: list[float], missing: list[int]
) -> None:
    """Each would be a class of its own, which no label is right about."""
    found = given_predictions(given, None, Shape(column="y", classes=False))
    assert list(found.missing) == missing
    assert (found.classes, [one for row, one in enumerate(found.values) if row not in missing]) == ((), values)


def test_whole_numbers_among_others_are_values_without_a_reference_too() -> None:
    """Whole ones alone are classes."""
    found = given_predictions([1.5, 2, None], None, NOBODY_KNOWS)
    assert (found.values[:2], found.missing) == ([1.5, 2.0], [2])
    assert given_predictions([1, 2, None], None, NOBODY_KNOWS).classes[:2] == ["1", "2"]


def test_several_values_a_row_are_no_probabilities_where_the_reference_has_one() -> None:
    """Though they add up to 1."""
    with pytest.raises(ValueError, match="2 values a row"):
        given_predictions(np.array([[0.25, 0.75]]), None, Shape(classes=False))


@pytest.mark.parametrize("put", [lambda text: text, lambda text: {"answer": text}, lambda text: {"label": text}])
def test_an_empty_text_says_nothing_and_is_nothing_that_is_lost(put: Any) -> None:
    """Of the handler's result, and of what it gives."""
    rows = predicted([put("Hello"), put(""), put("x"), None], NOBODY_KNOWS, 16)
    assert rows is not None
    assert [row if row in (EMPTY, MISSING) else row.name for row in rows] == ["Hello", EMPTY, "x", MISSING]
    found = given_predictions([put("Hello"), put(""), put("x"), None], None, NOBODY_KNOWS)
    assert (found.classes, found.missing, found.empty) == (["Hello", "", "x", ""], [1, 3], 1)


def test_true_and_1_are_two_classes_of_a_mixed_list() -> None:
    """Though they are equal."""
    assert given_predictions([True, 1, "a"], None, NOBODY_KNOWS).classes == ["true", "1", "a"]
