"""A class has one name, however predictions, labels and training data write it, and whatever comes first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bento_observe import Reference
from bento_observe._label_keys import Key, Keys
from bento_observe.feedback._class_names import MAX_CLASS, carried
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._given import given_predictions
from bento_observe.feedback._group import Group
from bento_observe.feedback._matching import Matcher
from bento_observe.feedback._performance import GroupKey, Model, Performance
from bento_observe.feedback._reading import TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._shape import Shape, shape_of
from bento_observe.feedback._token import Context, TokenMaker

KEYS = Keys((Key.of(b"a key"),))
CONTEXT = Context("api", "m", "1")
LONG = "類" * 50


def shape(prediction: Any, label: Any) -> Shape:
    """That of a reference with these two."""
    frame = pd.DataFrame({"x": np.arange(float(len(label)))})
    signals = Reference.from_frame(frame, prediction=prediction, label=label).signals
    return shape_of(signals.get("prediction"), signals.get("label"))


def counted(pairs: Sequence[tuple[Any, Any]], known: Shape, confidence: float | None = None) -> Group:
    """The sums of predictions and labels that come in this order, one request each."""
    performance = Performance(lambda model: Classes(known.names, known.names), lambda model: known.centre)
    seen = Seen(None, 1000, pytest.fail)
    matcher = Matcher(TokenReader(KEYS), lambda: seen, performance, 3600, lambda context, labels: None, lambda: 100.0)
    for number, (prediction, label) in enumerate(pairs, 1):
        rows = given_predictions([prediction], None if confidence is None else [confidence], known)
        (one,) = TokenMaker(KEYS).tokens([CONTEXT], rows, number.to_bytes(8, "big"), 100.0)
        assert matcher.take([one], [label]).refused == {}
    return dict(performance.groups())[GroupKey(Model(*CONTEXT[:3]))]


BOOLEAN = pd.Series([True, False] * 40, name="p")
NUMBER = pd.Series([1, 0] * 40, name="y")


@pytest.mark.parametrize(
    ("prediction", "label", "names"),
    [
        (BOOLEAN, NUMBER, ("0", "1")),
        (NUMBER, BOOLEAN, ("false", "true")),
        (BOOLEAN, BOOLEAN, ("false", "true")),
    ],
)
def test_a_reference_gives_true_and_1_one_name(prediction: Any, label: Any, names: tuple[str, str]) -> None:
    """The labels'. With two names each, F1 came to 2, and the positive class could not be told."""
    known = shape(prediction.rename("p"), label.rename("y"))
    assert sorted(known.names) == sorted(names)
    pairs = [(True, 1), (True, False), (0, 0), (False, True), (1, True)]
    group = counted(pairs, known, 0.75)
    no, yes = names
    assert dict(group.confusion) == {
        (yes, yes, True): 2, (yes, no, False): 1, (no, no, True): 1, (no, yes, False): 1
    }  # fmt: skip
    assert known.names
    assert set(counted([(True, 1), (False, 1)], known, 0.75).scores) == {yes}


@pytest.mark.parametrize("order", permutations([(False, 1), (True, 1), (False, 0), (True, 0)]))
def test_without_a_reference_names_do_not_depend_on_what_comes_first(order: Sequence[tuple[bool, int]]) -> None:
    """All workers have to choose alike: theirs are added up."""
    group = counted(order, Shape(), 0.75)
    assert dict(group.confusion) == {
        (str(one).lower(), str(bool(true)).lower(), one == true): 1 for one, true in order
    }  # fmt: skip
    assert set(group.scores) == {"true"}


@pytest.mark.parametrize(
    "order",
    [*permutations([(0, True), (1, True), (2, False), (1, 1)]), [(0, "True"), (1, "1.0"), (2, "False"), (1, 1.0)]],
)
def test_truth_values_as_labels_are_numbers_beside_numbers(order: Sequence[tuple[int, Any]]) -> None:
    """Whatever comes first."""
    names = {(one, true) for one, true, _ in counted(order, Shape()).confusion}
    assert names == {("0", "1"), ("1", "1"), ("2", "0")}


@pytest.mark.parametrize("one", [1.0, "1", "1.0", True, "true"])
def test_without_a_reference_a_label_has_the_name_that_predictions_give_it(one: Any) -> None:
    """Whatever was predicted beside it."""
    group = counted([("1", 2), ("none", one), ("1", one)], Shape())
    assert set(group.confusion) == {("1", "2", False), ("none", "1", False), ("1", "1", True)}


def test_labels_beside_two_names_of_one_class_are_written_as_theirs() -> None:
    """Where `true` and `1` are both predicted, and beside what is neither always the same one."""
    for order in permutations([("true", 1), ("1", True)]):
        group = counted([*order, ("none", 1), ("none", True)], Shape())
        assert dict(group.confusion) == {("true", "true", True): 1, ("1", "1", True): 1, ("none", "1", False): 2}


def test_a_whole_number_that_a_label_alone_has_is_told_without_decimals() -> None:
    """As small whole numbers are."""
    assert set(counted([("none", "2.0"), ("none", 2)], Shape()).confusion) == {("none", "2", False)}


@pytest.mark.parametrize("other", ["類" * 49 + "x", "other"])
@pytest.mark.parametrize("with_reference", [True, False])
def test_a_class_of_many_bytes_is_right_where_it_is(other: str, with_reference: bool) -> None:
    """An id carries 120 bytes of it at most; two that begin alike are two all the same."""
    known = Shape()
    if with_reference:
        names = pd.Series([LONG, other] * 20, name="y")
        known = shape(names.rename("p"), names)
    group = counted([(LONG, LONG), (other, LONG), (LONG, other)], known)
    assert sorted(right for _, _, right in group.confusion.elements()) == [False, False, True]
    if with_reference:
        assert {one for one, _, _ in group.confusion} == {LONG, other}


def test_what_an_id_carries_of_a_class_is_short_and_stays_so() -> None:
    """Half a surrogate pair is in no UTF-8."""
    assert len(carried(LONG).encode()) <= MAX_CLASS
    assert carried(carried(LONG)) == carried(LONG) != carried(LONG + "x")
    assert carried("\ud800") == "?"


def test_the_most_frequent_labels_are_told_apart() -> None:
    """Rather than the first columns of the probabilities, where there are more than twenty."""
    random = np.random.default_rng(0)
    names = [f"c{number:02}" for number in range(30)]
    labels = pd.Series([*names, *["c29"] * 200, *["c21"] * 100], name="y")
    known = shape(pd.DataFrame(random.dirichlet(np.ones(30), len(labels)), columns=names), labels)
    assert known.names[:2] == ("c29", "c21")
    assert known.columns == tuple(names)
    classes = Classes(known.names, known.names)
    assert classes.predicted("c29") == "c29"
    assert sum(classes.predicted(name) == name for name in names) == 20


@pytest.mark.parametrize(
    ("columns", "labels"), [(["p_no", "p_yes"], ["no", "yes"]), (["False", "True"], [False, True])]
)
def test_columns_of_probabilities_are_called_as_labels_without_a_calibration_too(
    columns: list[str], labels: list[Any]
) -> None:
    """Too few rows for one are enough to see what is meant."""
    scores = np.linspace(0, 1, 40)
    probabilities = pd.DataFrame({columns[0]: 1 - scores, columns[1]: scores})
    known = shape(probabilities, pd.Series(labels * 20, name="y"))
    assert known.columns == tuple(str(label).lower() for label in labels)
    assert set(known.names) == set(known.columns)
    rows = given_predictions(np.array([[0.25, 0.75]]), None, known)
    assert list(rows.classes) == [known.columns[1]]


def test_what_is_judged_is_called_as_the_reference_calls_it() -> None:
    """Concept drift is looked for by the names of the calibration."""
    judged: list[str] = []
    performance = Performance(
        lambda model: Classes(("0", "1"), ("0", "1")), lambda model: 0.0,
        lambda context, names, predicted, confidence, correct: judged.extend(names[one] for one in predicted),
    )  # fmt: skip
    seen = Seen(None, 1000, pytest.fail)
    matcher = Matcher(TokenReader(KEYS), lambda: seen, performance, 3600, lambda context, labels: None, lambda: 100.0)
    rows = given_predictions([True, False], [0.75, 0.75], Shape())
    matcher.take(TokenMaker(KEYS).tokens([CONTEXT], rows, b"nonce 01", 100.0), [1, 1])
    assert judged == ["1", "0"]


@pytest.mark.parametrize("top", [9, 40, 300])
def test_a_regression_stays_one_however_few_values_its_labels_have(top: int) -> None:
    """As the quality of a wine, a whole number, which is predicted with decimals."""
    random = np.random.default_rng(1)
    labels = pd.Series(random.integers(3, top, 500), name="quality")
    known = shape(pd.Series(random.uniform(3, top, 500), name="p"), labels)
    assert known.classes is False
    assert known.centre == pytest.approx(labels.mean())
    values = counted([(5.25, 5), (6.0, 5)], known).values
    assert values is not None
    assert values.above == 1.25


def test_a_classifier_stays_one_though_labels_are_numbers() -> None:
    """What is predicted decides."""
    assert shape(pd.Series(["low", "high"] * 20, name="p"), pd.Series(np.arange(40) * 1.5, name="y")).classes is True
    constant = shape(pd.Series([0.5] * 40, name="p"), pd.Series(["low", "high"] * 20, name="y"))
    assert constant.classes is True  # one number says nothing


def test_a_score_is_one_without_a_calibration_too() -> None:
    """Of too few rows for one, it is the probability of the last of two labels."""
    random = np.random.default_rng(0)
    scores = random.random(80)
    labels = np.where(random.random(80) < scores, "yes", "no")
    known = shape(pd.Series(scores, name="score"), pd.Series(labels, name="y"))
    assert known.scored == ("no", "yes")
    group = counted([(0.73, "yes"), (0.25, "no"), (0.25, "yes")], known)
    assert dict(group.confusion) == {("yes", "yes", True): 1, ("no", "no", True): 1, ("no", "yes", False): 1}
    assert group.scores["yes"].sums.sum() == pytest.approx(0.73 + 0.25 + 0.25)
    margins = shape(pd.Series(scores * 8 - 4, name="margin"), pd.Series(labels == "yes", name="y"))
    assert (margins.classes, margins.scored) == (False, ())
