"""What a result predicts, with and without a reference, and what is no prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest

from bento_observe import Reference
from bento_observe.feedback import shape_of
from bento_observe.feedback._predicted import Prediction, Shape, predicted

NOBODY_KNOWS = Shape()


class Verdict(pydantic.BaseModel):
    cultivar: int
    probability: float


@dataclass
class Answer:
    label: str
    note: str = ""


def told(output: Any, shape: Shape = NOBODY_KNOWS) -> list[tuple[Any, ...]] | None:
    rows = predicted(output, shape, 16)
    if rows is None:
        return None
    values = [row.value if row.name is None else row.name for row in rows]
    return list(zip(values, [None if math.isnan(row.confidence) else row.confidence for row in rows], strict=True))


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("spam", [("spam", None)]),
        (True, [("true", None)]),
        (3, [("3", None)]),
        (2.5, [(2.5, None)]),
        (np.float32(2.5), [(2.5, None)]),
        (np.int8(3), [("3", None)]),
        (np.array(["a", "b"]), [("a", None), ("b", None)]),
        (np.array([1.5, 2.0]), [(1.5, None), (2.0, None)]),
        (np.array([[1.5], [2.0]]), [(1.5, None), (2.0, None)]),
        (np.array([[0.2, 0.8], [0.9, 0.1]]), [("1", 0.8), ("0", 0.9)]),
        ([[0.2, 0.8]], [("1", 0.8)]),
        (["a", 1, 2.5], [("a", None), ("1", None), (2.5, None)]),
        (pd.Series([1, 2]), [("1", None), ("2", None)]),
        (pd.DataFrame({"label": ["a"], "score": [0.75]}), [("a", 0.75)]),
        ({"prediction": 1.25, "unit": "EUR"}, [(1.25, None)]),
        ({"class": "b", "confidence": 1.5}, [("b", None)]),
        ({"whatever": "b"}, [("b", None)]),
        (Answer("c"), [("c", None)]),
    ],
)
def test_results_of_many_kinds_are_predictions(output: Any, expected: list[tuple[Any, Any]]) -> None:
    """Text, truth values and whole numbers are classes, other numbers values, distributions both."""
    assert told(output) == expected


@pytest.mark.parametrize(
    "output",
    [
        {"a": 1, "b": 2}, object(), b"bytes", np.zeros((2, 3, 4)), [[0.2, 0.2]], [[1.0]], [{"a": 1, "b": 1}],
        float("nan"), [float("inf")], np.ones((1, 4096)), list(range(17)), np.zeros(17), "", {},
        np.array([[-0.5, 1.5]]),
        Verdict.model_construct(),
    ],
)  # fmt: skip
def test_what_is_no_prediction_has_none(output: Any) -> None:
    """Or is too much for a header."""
    assert not predicted(output, NOBODY_KNOWS, 16)


def test_a_reference_says_what_is_predicted() -> None:
    """Which field it is, whether whole numbers are classes, and how many classes there are."""
    frame = pd.DataFrame({"x": np.arange(60.0)})
    cultivar = pd.Series([0, 1, 2] * 20, name="cultivar")
    reference = Reference.from_frame(frame, prediction=cultivar, label=cultivar)
    shape = shape_of(reference.signals["prediction"], reference.signals["label"])
    assert told(Verdict(cultivar=2, probability=0.75), shape) == [("2", 0.75)]
    assert predicted(np.array([1.0]), shape, 16) == [Prediction("1", math.nan, pytest.approx(math.nan, nan_ok=True), 3)]
    prices = pd.Series(np.arange(60) * 1.5, name="price")
    priced = Reference.from_frame(frame, prediction=prices, label=prices)
    shape = shape_of(priced.signals["prediction"], priced.signals["label"])
    assert told([3, 4.5], shape) == [(3.0, None), (4.5, None)]
    assert shape.centre == pytest.approx(prices.mean())


def test_the_columns_of_probabilities_have_the_references_names() -> None:
    """Of a matrix, and of the list that one row is."""
    frame = pd.DataFrame({"x": np.arange(60.0)})
    probabilities = pd.DataFrame({"no": np.linspace(0, 1, 60), "yes": 1 - np.linspace(0, 1, 60)})
    reference = Reference.from_frame(frame, prediction=probabilities)
    shape = shape_of(reference.signals["prediction"], None)
    assert told(np.array([[0.2, 0.8]]), shape) == [("yes", 0.8)]
    assert told([0.75, 0.25], shape) == [("no", 0.75)]


ANSWER = "The invoice of 3 May is overdue; a second reminder was sent to the customer yesterday."


@pytest.mark.parametrize("text", [ANSWER, "a\nb", "a\n", "a\r\nb", "a\u2028b", "x" * 65])
@pytest.mark.parametrize("put", [lambda text: text, lambda text: {"answer": text}, lambda text: {"label": text}])
def test_a_text_that_is_written_to_be_read_is_a_prediction_of_no_class(text: str, put: Any) -> None:
    """An answer of a language model would be a class of its own each time, and be seen where classes are."""
    assert told(put(text)) == [("", None)]
    assert told([np.str_(text)]) == [("", None)]


def test_a_long_text_that_the_reference_has_for_a_class_is_one() -> None:
    """Up to where categories are cut, as the reference has cut it."""
    name = "x" * 200
    assert told(name, Shape(classes=True, names=("x" * 128, "y"))) == [("x" * 128, None)]
    assert told("x" * 64) == [("x" * 64, None)]
