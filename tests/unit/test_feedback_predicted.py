"""What a result predicts, with and without a reference, and what is no prediction."""

from __future__ import annotations

import math
import sys
import types
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest

from bento_observe import Reference
from bento_observe.feedback import shape_of
from bento_observe.feedback._given import given_predictions
from bento_observe.feedback._predicted import predicted
from bento_observe.feedback._prediction import MISSING, Prediction
from bento_observe.feedback._shape import Shape

NOBODY_KNOWS = Shape()


class Verdict(pydantic.BaseModel):
    cultivar: int
    probability: float


@dataclass
class Box:
    w: float
    h: float


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
    assert set(predicted(output, NOBODY_KNOWS, 16) or ()) <= {MISSING}


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


PROBABLE = Shape(classes=True, names=("no", "yes"), columns=("no", "yes"), fields=("p_no", "p_yes"))
FRAME = pd.DataFrame({"yes": [0.75, 0.25], "no": [0.25, 0.75]})
TOLD = [("yes", 0.75), ("no", 0.75)]


@pytest.mark.parametrize("shape", [NOBODY_KNOWS, PROBABLE])
@pytest.mark.parametrize(
    "output",
    [
        FRAME, FRAME[["no", "yes"]], FRAME.astype("Float64"), FRAME.to_dict("records"),
        [{"yes": np.float32(0.75), "no": np.float32(0.25)}, {"no": 0.75, "yes": 0.25}],
    ],
)  # fmt: skip
def test_probabilities_by_name_are_those_of_the_classes_in_any_order(output: Any, shape: Shape) -> None:
    """Frames, dicts and lists of dicts; with a reference and without one."""
    assert told(output, shape) == TOLD
    if isinstance(output, list):
        assert [told(row, shape) for row in output] == [[one] for one in TOLD]


@pytest.mark.parametrize("output", [[[0.25, 0.75], [0.75, 0.25]], list(np.array([[0.25, 0.75], [0.75, 0.25]]))])
def test_probabilities_without_names_have_the_references(output: Any) -> None:
    """A frame whose columns are numbered as well."""
    assert told(output, PROBABLE) == TOLD
    assert told(pd.DataFrame(np.array(output)), PROBABLE) == TOLD
    assert told(pd.DataFrame(np.array(output)), NOBODY_KNOWS) == [("1", 0.75), ("0", 0.75)]


def test_columns_have_the_names_of_the_labels_where_those_are_known() -> None:
    """As `p_yes` is `yes`."""
    renamed = FRAME.rename(columns={"yes": "p_yes", "no": "p_no"})
    assert told(renamed, PROBABLE) == TOLD
    assert told(renamed.to_dict("records"), PROBABLE) == TOLD
    assert told(renamed, NOBODY_KNOWS) == [("p_yes", 0.75), ("p_no", 0.75)]


@pytest.mark.parametrize(
    ("output", "shape"),
    [
        ({"load": 0.25, "idle": 0.75}, PROBABLE),
        ({"load": 0.25, "idle": 0.75}, Shape(classes=False, column="price")),
        (pd.DataFrame({"load": [0.25], "idle": [0.75]}), Shape(classes=False, column="price")),
        ({"errors": 0, "warnings": 1}, NOBODY_KNOWS),
        ({"load": 0.25, "note": None}, NOBODY_KNOWS),
        (pd.DataFrame({"a": ["x"], "b": [1.0]}), NOBODY_KNOWS),
        (("a", {"x": 1, "y": 2}), NOBODY_KNOWS),
        ([None, None], NOBODY_KNOWS),
        (None, NOBODY_KNOWS),
        (np.array([[3.0, -1.0], [0.5, 0.1]]), NOBODY_KNOWS),
        ([[0, 1], [2, 3], [4, 7]], NOBODY_KNOWS),
        ([(0, 1), (2, 3), (4, 7)], NOBODY_KNOWS),
        (np.array([[0, 1], [2, 3], [4, 7]]), NOBODY_KNOWS),
        (list(np.array([[0, 1], [2, 3], [4, 7]])), NOBODY_KNOWS),
        (np.array([[1, 0, 0], [2, 3, 0], [4, 7, 1]]), NOBODY_KNOWS),
        (np.array([[1, 0, 0], [2, 3, 0], [4, 7, 1]]), PROBABLE),
        (np.array([[0.25, 0.75], [math.nan, 1.0], [2.0, 3.0]]), NOBODY_KNOWS),
        ([[0.25, 0.75], [None, 1.0], [2.0, 3.0]], NOBODY_KNOWS),
        ([[0.25, 0.75], ["a", "b"]], NOBODY_KNOWS),
        ([{"w": 0.4, "h": 0.6}, {"w": 0.4, "h": 0.9}], NOBODY_KNOWS),
        ([Box(0.4, 0.6), Box(0.4, 0.9)], NOBODY_KNOWS),
        (pd.DataFrame({"w": [0.4, 0.4], "h": [0.6, 0.9]}), NOBODY_KNOWS),
        (pd.DataFrame({"w": [0.4, 0.4], "h": [0.6, 0.9]}), PROBABLE),
        (np.array([[0.25, 0.75], [0.75, 0.25]]), Shape(classes=False)),
        ([[0.25, 0.75], [0.75, 0.25]], Shape(classes=False)),
        ([["a"], "b"], NOBODY_KNOWS),
        (["", ""], NOBODY_KNOWS),
        ([{"label": ""}], NOBODY_KNOWS),
        ({"label": "", "score": 0.25}, Shape(classes=True, names=("no", "yes"), scored=("no", "yes"), column="score")),
    ],
)
def test_numbers_that_are_something_else_are_no_probabilities(output: Any, shape: Shape) -> None:
    """Nor are rows of which none is a prediction ones that could not be read."""
    assert predicted(output, shape, 16) is None


@pytest.mark.parametrize(
    ("output", "shape", "expected"),
    [
        (np.array([[0.25, 0.75], [math.nan, 0.5], [1.0, 0.0]]), NOBODY_KNOWS, [("1", 0.75), None, ("0", 1.0)]),
        ([[0.25, 0.75], [math.nan, 0.5]], NOBODY_KNOWS, [("1", 0.75), None]),
        (np.array([[3.0, -1.0], [0.25, 0.75]]), PROBABLE, [None, ("yes", 0.75)]),
        (np.array([[3.0, -1.0]]), PROBABLE, [None]),
        ([3.0, -1.0], PROBABLE, [None]),
        ([{"yes": 0.75, "no": 0.25}, {"yes": math.nan, "no": 0.5}], PROBABLE, [("yes", 0.75), None]),
        ({"yes": None, "no": 0.5}, PROBABLE, [None]),
        (pd.DataFrame({"no": [0.25, None], "yes": [0.75, 0.5]}), PROBABLE, [("yes", 0.75), None]),
        ([None, "a"], NOBODY_KNOWS, [None, ("a", None)]),
        (pd.Series(["a", None], dtype="string"), NOBODY_KNOWS, [("a", None), None]),
        (np.array([1.5, math.nan]), NOBODY_KNOWS, [(1.5, None), None]),
        ([{"label": "a"}, {"label": None}], NOBODY_KNOWS, [("a", None), None]),
        ([[0.25, 0.75], None, []], NOBODY_KNOWS, [("1", 0.75), None, None]),
        ([Box(0.25, 0.75), Box(math.nan, 0.75)], NOBODY_KNOWS, [("h", 0.75), None]),
        ([0.25, None], PROBABLE, [None]),
        ([pd.NA, 0.25], PROBABLE, [None]),
        ([0, 1.0], PROBABLE, [("yes", 1.0)]),
        ([np.float32(0.25), np.float32(0.75)], PROBABLE, [("yes", 0.75)]),
        ([0, 1], PROBABLE, [("0", None), ("1", None)]),
        (math.inf, NOBODY_KNOWS, [None]),
        ([1.5, 10**400, np.datetime64("2026-01-01")], Shape(classes=False), [(1.5, None), None, None]),
        ([10**400, 0.5], PROBABLE, [None]),
        (2.0, Shape(classes=True, names=("no", "yes"), scored=("no", "yes")), [None]),
    ],
)
def test_a_row_that_cannot_be_read_costs_the_others_nothing(output: Any, shape: Shape, expected: list[Any]) -> None:
    """Each has a verdict of its own."""
    rows = predicted(output, shape, 16)
    assert rows is not None
    assert [one is MISSING for one in rows] == [one is None for one in expected]
    kept = [row for row in rows if row is not MISSING]
    names = [(row.value if row.name is None else row.name, row.confidence) for row in kept]
    wanted = [(name, math.nan if sure is None else sure) for name, sure in filter(None, expected)]
    assert str(names) == str(wanted)  # NaN is not equal to itself


class Tensor:
    """Stands in for `torch.Tensor`, which is too large for these tests; `tests/gpu` asks PyTorch itself."""

    def __init__(self, array: Any, device: str = "cpu") -> None:
        self._array = np.asarray(array)
        self.shape = self._array.shape
        self.device = types.SimpleNamespace(type=device)

    def detach(self) -> Tensor:
        return self

    def numpy(self) -> Any:
        assert self.device.type == "cpu"
        return self._array


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("torch")
    module.__dict__["Tensor"] = Tensor
    monkeypatch.setitem(sys.modules, "torch", module)


@pytest.mark.usefixtures("torch")
def test_a_tensor_in_the_cpus_memory_is_an_array() -> None:
    """One on a device is not waited for: it has no id, and is counted where it looks like predictions."""
    assert told(Tensor([[0.25, 0.75]]), PROBABLE) == [("yes", 0.75)]
    assert told(Tensor([1.5, 2.5])) == [(1.5, None), (2.5, None)]
    assert told(Tensor(1.5)) == [(1.5, None)]
    assert predicted(Tensor([1.5, 2.5], "cuda"), NOBODY_KNOWS, 16) == [MISSING, MISSING]
    assert predicted(Tensor([[0.25, 0.75]], "cuda"), PROBABLE, 16) == [MISSING]
    assert predicted(Tensor(np.zeros((2, 768)), "cuda"), NOBODY_KNOWS, 16) is None
    given = given_predictions(Tensor([[0.25, 0.75], [0.5, 0.1]]), None, PROBABLE)
    assert (given.classes[0], list(given.missing)) == ("yes", [1])
    assert list(given_predictions(Tensor([0.5, 1.5], "cuda"), None, NOBODY_KNOWS).missing) == [0, 1]
