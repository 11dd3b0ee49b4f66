"""A reference says of the training data what is in it."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bento_observe import Reference, semconv
from bento_observe.features.reference import CategoricalReference, NumericReference

SEED = 20240611
HUGE, TINY = np.finfo(float).max, np.finfo(float).smallest_subnormal


def numeric(reference: Reference, name: str, signal: str = semconv.SIGNAL_INPUT) -> NumericReference:
    found = reference.signals[signal].features[name]
    assert isinstance(found, NumericReference)
    return found


def categorical(reference: Reference, name: str, signal: str = semconv.SIGNAL_INPUT) -> CategoricalReference:
    found = reference.signals[signal].features[name]
    assert isinstance(found, CategoricalReference)
    return found


def assert_counts_equal_searchsorted(feature: NumericReference, values: npt.NDArray[Any]) -> None:
    finite = values[np.isfinite(values)]
    expected = np.bincount(np.searchsorted(feature.edges, finite, side="left"), minlength=feature.edges.size + 1)
    np.testing.assert_array_equal(feature.counts, expected)
    assert feature.count == finite.size
    assert feature.missing == np.isnan(values).sum()
    assert feature.non_finite == np.isinf(values).sum()


floats = st.one_of(
    st.floats(width=64),
    st.sampled_from([0.0, -0.0, TINY, -TINY, HUGE, -HUGE, 1.0, math.inf, -math.inf, math.nan]),
)


@settings(max_examples=150, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 200), elements=floats))
def test_any_numbers_are_counted_exactly(values: npt.NDArray[np.float64]) -> None:
    """Edges increase and are finite, counts equal searchsorted, moments are finite or NaN, extremes are the data's."""
    if not np.isfinite(values).any():
        with pytest.raises(ValueError, match=r"no column can be used: 0: (all values are missing|no value is finite)"):
            Reference.from_frame(values.reshape(-1, 1))
        return
    feature = numeric(Reference.from_frame(values.reshape(-1, 1)), "0")
    finite = values[np.isfinite(values)]
    assert_counts_equal_searchsorted(feature, values)
    assert np.isfinite(feature.edges).all()
    assert (np.diff(feature.edges) > 0).all()
    assert feature.edges.size <= 47
    assert (feature.min, feature.max, feature.edges[-1]) == (finite.min(), finite.max(), finite.max())
    assert feature.min <= feature.mean <= feature.max
    assert not feature.variance < 0
    if finite.min() > -HUGE:  # nothing finite is below that
        assert (feature.counts[0], feature.counts[-1]) == (0, 0)
    few = len(np.unique(finite))
    assert feature.distinct == (few if few <= 20 else None)
    if few <= 20:
        assert set(finite.tolist()) <= set(feature.edges.tolist())


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 60), elements=floats))
def test_a_saved_reference_is_the_same_when_loaded(
    tmp_path_factory: pytest.TempPathFactory, values: npt.NDArray[np.float64]
) -> None:
    """The file holds every number exactly: what is loaded and saved again has the same bytes."""
    frame = pd.DataFrame({"x": values, "y": 1.0})
    first, second = (tmp_path_factory.mktemp("saved") / name for name in ("a.json", "b.json"))
    reference = Reference.from_frame(frame, label=np.where(np.isnan(values), "n", "v"))
    reference.save(first)
    loaded = Reference.load(first)
    loaded.save(second)
    assert loaded.id == reference.id
    assert first.read_bytes() == second.read_bytes()


def test_edges_are_order_statistics_and_the_extremes() -> None:
    """1 to 1000: each quantile's edge is the value that so many do not exceed."""
    feature = numeric(
        Reference.from_frame(np.random.default_rng(SEED).permutation(np.arange(1.0, 1001.0))[:, None]), "0"
    )
    tails = [1, 5, 10, *range(25, 1000, 25), 990, 995, 999]
    assert feature.edges.tolist() == [np.nextafter(1.0, -np.inf), *tails, 1000]
    assert feature.counts.tolist() == [0, *np.diff([0, *tails, 1000]), 0]


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1e9, 1e-3), (0.0, 1e-310), (0.0, 1e200), (-1e300, 1e290)])
def test_moments_are_right_at_any_scale(shift: float, scale: float) -> None:
    """Mean, variance and kurtosis against exact rational arithmetic, several blocks together."""
    from fractions import Fraction

    values = shift + scale * np.random.default_rng(SEED).gamma(2.0, size=3000)
    feature = numeric(Reference.from_frame(np.tile(values, 25)[:, None]), "0")
    exact = [Fraction(value) for value in values.tolist()]
    mean = sum(exact) / len(exact)
    squares = [(value - mean) ** 2 for value in exact]
    variance = sum(squares) / len(exact)
    kurtosis = sum(square * square for square in squares) / len(exact) / variance**2
    assert feature.mean == pytest.approx(float(mean), rel=1e-14)
    assert feature.kurtosis == pytest.approx(float(kurtosis), rel=1e-6 if shift else 1e-11)
    if variance < Fraction(HUGE):
        assert feature.variance == pytest.approx(float(variance), rel=1e-6 if shift else 1e-12, abs=TINY)
    else:
        assert math.isnan(feature.variance)


def test_columns_are_what_their_values_are() -> None:
    """Kinds by dtype and, for objects, by values."""
    from datetime import date
    from decimal import Decimal

    n = 200
    frame = pd.DataFrame(
        {
            "number": np.linspace(0, 1, n),
            "whole": np.arange(n) % 7,
            "nullable": pd.array([1, 2, None, 4] * 50, dtype="Int64"),
            "flag": [True, False] * 100,
            "nullable_flag": pd.array([True, None] * 100, dtype="boolean"),
            "object_flag": np.array([True, None] * 100, dtype=object),
            "constant": 2.5,
            "text": ["a", "b", "b", None] * 50,
            "one_text": "same",
            "identifier": [f"id-{i}" for i in range(n)],
            "category": pd.Categorical([1, 2] * 100),
            "decimals": np.array([Decimal(i) for i in range(n)], dtype=object),
            "mostly_numbers": np.array([1.0, 2.0, "oops", 4.0] * 50, dtype=object),
            "mostly_text": np.array(["a", "b", 3, "d"] * 50, dtype=object),
            "time": pd.date_range("2020-01-01", periods=n),
            "day": np.array([date(2020, 1, 1)] * n, dtype=object),
            "span": pd.to_timedelta(np.arange(n), unit="s"),
            "complex": np.ones(n, complex),
            "nested": [[1, 2]] * n,
            "nothing": np.nan,
            "infinite": np.inf,
            7: np.arange(n) * 0.5,
        }
    )
    reference = Reference.from_frame(frame)
    assert {name: feature.kind for name, feature in reference.features.items()} == {
        "number": "numeric", "whole": "numeric", "nullable": "numeric", "flag": "boolean", "nullable_flag": "boolean",
        "object_flag": "boolean", "constant": "constant", "text": "categorical", "one_text": "constant",
        "identifier": "high_cardinality", "category": "categorical", "decimals": "numeric",
        "mostly_numbers": "numeric", "mostly_text": "categorical", "7": "numeric",
    }  # fmt: skip
    assert reference.skipped == {
        "time": f"holds {frame['time'].dtype}: neither numbers nor categories",
        "day": "holds date: neither numbers nor categories",
        "span": f"holds {frame['span'].dtype}: neither numbers nor categories",
        "complex": "holds complex128: neither numbers nor categories",
        "nested": "holds list: neither numbers nor categories",
        "nothing": "all values are missing",
        "infinite": "no value is finite",
    }
    assert (numeric(reference, "nullable").count, numeric(reference, "nullable").missing) == (150, 50)
    assert numeric(reference, "mostly_numbers").missing == 50
    assert dict(categorical(reference, "mostly_text").categories) == {"3": 50, "a": 50, "b": 50, "d": 50}
    assert dict(categorical(reference, "category").categories) == {"1": 100, "2": 100}
    assert numeric(reference, "flag").counts.tolist() == [0, 100, 100, 0]
    assert math.isnan(numeric(reference, "constant").kurtosis)
    assert numeric(reference, "constant").mean == 2.5


def test_categories_are_counted_the_most_frequent_first() -> None:
    """Ties by name, missing apart, text cut as serving cuts it."""
    text = ["b", "b", "a", "a", "c", None, "x" * 200]
    feature = categorical(Reference.from_frame(pd.DataFrame({"t": text})), "t")
    assert list(feature.categories.items()) == [("a", 2), ("b", 2), ("c", 1), ("x" * 128, 1)]
    assert (feature.count, feature.missing, feature.distinct) == (6, 1, 4)


def test_of_free_text_the_frequent_values_are_kept() -> None:
    """More than a thousand categories: the top twenty, all values counted."""
    values = [f"v{i}" for i in range(5000)] + ["often"] * 7000
    feature = categorical(Reference.from_frame(pd.DataFrame({"t": values})), "t")
    assert (feature.kind, feature.distinct, feature.count, len(feature.categories)) == (
        "high_cardinality",
        5001,
        12000,
        20,
    )
    assert next(iter(feature.categories.items())) == ("often", 7000)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (np.array([0, 1, 1, 2]), {"1": 2, "0": 1, "2": 1}),
        (pd.Series([0, 1, None, 1], dtype="Int64"), {"1": 2, "0": 1}),
        (np.array([0.0, 1.0, np.nan, 1.0]), {"1": 2, "0": 1}),
        (np.array([True, False, True, True]), {"true": 3, "false": 1}),
        (np.array(["no", "yes", "no", "no"]), {"no": 3, "yes": 1}),
        (["no", "yes", "no", "no"], {"no": 3, "yes": 1}),
        (np.array([[0], [1], [1], [1]]), {"1": 3, "0": 1}),
    ],
)
def test_labels_are_classes(label: Any, expected: dict[str, int]) -> None:
    """Few integers, with gaps or without, booleans and text."""
    reference = Reference.from_frame(np.arange(4.0)[:, None], label=label)
    assert dict(categorical(reference, "value", semconv.SIGNAL_LABEL).categories) == expected


def test_other_numbers_are_values_of_a_regression() -> None:
    """Floats, however whole, and integers of many values."""
    data = np.arange(60.0)[:, None]
    reference = Reference.from_frame(data, label=np.arange(60) % 3 * 1.0, prediction=np.arange(60))
    assert numeric(reference, "value", semconv.SIGNAL_LABEL).distinct == 3
    assert numeric(reference, "value", semconv.SIGNAL_PREDICTION).distinct is None


def test_columns_of_the_frame_can_be_prediction_and_label() -> None:
    """They are no inputs then, nor is what is dropped; a series and a frame keep their names."""
    frame = pd.DataFrame({"x": [1.0, 2.0], "p": [0.5, 0.7], "q": [1.5, 2.5], "y": ["a", "b"], "i": [1, 2]})
    reference = Reference.from_frame(frame, prediction=["p", "q"], label="y", drop=["i"])
    assert {name: list(signal.features) for name, signal in reference.signals.items()} == {
        "input": ["x"], "prediction": ["p", "q"], "label": ["y"],
    }  # fmt: skip
    named = Reference.from_frame(frame[["x"]], prediction=frame["p"], label=frame[["q", "y"]], features=frame[["i"]])
    assert {name: list(signal.features) for name, signal in named.signals.items()} == {
        "input": ["x"], "feature": ["i"], "prediction": ["p"], "label": ["q", "y"],
    }  # fmt: skip
    assert all(signal.id == named.id for signal in named.signals.values())


def test_probabilities_become_class_confidence_and_entropy() -> None:
    """Classes are the columns; a row with NaN counts as missing in all three."""
    matrix = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [np.nan, 0.5, 0.5], [0.0, 1.0, 0.0]])
    reference = Reference.from_frame(np.arange(4.0)[:, None], prediction=matrix)
    signal = reference.signals[semconv.SIGNAL_PREDICTION]
    assert signal.classes == ("0", "1", "2")
    assert list(signal.features) == ["class", "confidence", "entropy"]
    assert dict(categorical(reference, "class", "prediction").categories) == {"1": 2, "0": 1}
    assert categorical(reference, "class", "prediction").missing == 1
    assert numeric(reference, "confidence", "prediction").edges[1:].tolist() == [0.7, 0.8, 1.0]
    entropy = numeric(reference, "entropy", "prediction")
    assert entropy.min == 0
    assert entropy.max == pytest.approx(-(0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1)))
    framed = Reference.from_frame(np.arange(4.0)[:, None], prediction=pd.DataFrame(matrix, columns=["a", "b", "c"]))
    assert framed.signals["prediction"].classes == ("a", "b", "c")
    assert dict(categorical(framed, "class", "prediction").categories) == {"b": 2, "a": 1}


@pytest.mark.parametrize("last", [[0.5, 0.6], [1.5, -0.5], [np.inf, 0.0]])
def test_one_row_that_is_no_distribution_makes_the_columns_values(last: list[float]) -> None:
    """Sum not 1, negative or infinite."""
    matrix = np.array([[0.5, 0.5]] * 9 + [last])
    signal = Reference.from_frame(np.arange(10.0)[:, None], prediction=matrix).signals["prediction"]
    assert signal.classes is None
    assert list(signal.features) == ["0", "1"]


def test_wide_arrays_without_names_are_vectors() -> None:
    """Norm, mean, distance to the mean vector, non-finite elements; with names they are features."""
    matrix = np.random.default_rng(SEED).normal(size=(300, 257))
    matrix[5, 3] = np.nan
    reference = Reference.from_frame(matrix, features=matrix[:, :2])
    signal = reference.signals["input"]
    assert list(signal.features) == ["norm", "mean", "distance", "non_finite"]
    assert signal.vector is not None
    np.testing.assert_allclose(signal.vector.mean, np.nanmean(matrix, axis=0))
    clean = np.delete(matrix, 5, axis=0)
    distances = np.linalg.norm(clean - signal.vector.mean, axis=1)
    assert numeric(reference, "distance").max == pytest.approx(distances.max())
    assert numeric(reference, "norm").max == pytest.approx(np.linalg.norm(clean, axis=1).max())
    assert numeric(reference, "non_finite").counts.tolist() == [0, 299, 1, 0]
    assert len(Reference.from_frame(matrix, names=[f"f{i}" for i in range(257)]).features) == 257
    wide = np.eye(300)[:, :]
    assert Reference.from_frame(matrix, prediction=wide).signals["prediction"].classes == tuple(map(str, range(300)))


def test_a_slice_has_the_buckets_of_the_whole_and_its_own_counts() -> None:
    """Counts, moments and missing values are those of its rows; the top twenty values have slices."""
    rng = np.random.default_rng(SEED)
    n = 70_000
    country = np.minimum(rng.geometric(0.15, n), 30).astype(str)
    frame = pd.DataFrame({"x": rng.normal(size=n), "t": rng.choice(["a", "b", None], n), "country": country})
    frame.loc[rng.random(n) < 0.1, "x"] = np.nan
    prediction = rng.random(n)
    reference = Reference.from_frame(frame, prediction=prediction, slices=["country"])
    slices = reference.slices["country"]
    assert list(slices) == frame["country"].value_counts().index[:20].tolist()
    for value in ("1", "7"):
        rows = (frame["country"] == value).to_numpy()
        part, whole = slices[value]["input"].features["x"], numeric(reference, "x")
        assert isinstance(part, NumericReference)
        assert part.edges is whole.edges
        assert part.kind == whole.kind
        assert_counts_equal_searchsorted(part, frame["x"].to_numpy()[rows])
        assert part.variance == pytest.approx(frame["x"][rows].var(ddof=0))
        text = slices[value]["input"].features["t"]
        assert isinstance(text, CategoricalReference)
        assert list(text.categories) == list(categorical(reference, "t").categories)
        assert dict(text.categories) == frame["t"][rows].value_counts().to_dict()
        assert text.missing == frame["t"][rows].isna().sum()
        outputs = slices[value]["prediction"].features["value"]
        assert isinstance(outputs, NumericReference)
        assert outputs.mean == pytest.approx(prediction[rows].mean())


def test_the_same_data_gives_the_same_bytes(tmp_path: Any) -> None:
    """Also from a copy with another memory layout; other data gives another id."""
    values = np.random.default_rng(SEED).normal(size=(1000, 3))
    paths = [tmp_path / f"{i}.json" for i in range(3)]
    for path, data in zip(paths, (values, np.asfortranarray(values), values + 1e-9), strict=True):
        Reference.from_frame(data, names=["a", "b", "c"]).save(path)
    first, second, other = (path.read_bytes() for path in paths)
    assert first == second
    assert Reference.load(paths[0]).id != Reference.load(paths[2]).id
    assert first != other


def test_beyond_the_sample_only_edges_are_of_a_part() -> None:
    """Counts, moments and extremes are exact over 150,000 rows, and the edges near the quantiles."""
    values = np.random.default_rng(SEED).standard_cauchy(150_000)
    feature = numeric(Reference.from_frame(values[:, None]), "0")
    assert_counts_equal_searchsorted(feature, values)
    assert (feature.min, feature.max) == (values.min(), values.max())
    assert feature.mean == pytest.approx(values.mean())
    shares = np.cumsum(feature.counts)[4:-5] / values.size
    np.testing.assert_allclose(shares, np.arange(1, 40) / 40, atol=0.004)


def test_of_two_columns_with_one_name_the_first_counts() -> None:
    """Names that are the same as text are the same."""
    frame = pd.DataFrame([[1.0, 5.0], [2.0, 6.0]], columns=pd.Index([1, "1"], dtype=object))
    assert numeric(Reference.from_frame(frame), "1").max == 2.0


def test_names_that_are_no_strings_name_columns_everywhere() -> None:
    """One or several, of the frame that pandas makes of an array."""
    frame = pd.DataFrame(np.column_stack([np.linspace(0, 1, 300), np.arange(300) % 3, np.linspace(1, 2, 300)]))

    def features(**roles: Any) -> dict[str, list[str]]:
        return {name: list(one.features) for name, one in Reference.from_frame(frame, **roles).signals.items()}

    assert features(drop=[0]) == features(drop=0) == {"input": ["1", "2"]}
    assert features(prediction=0) == features(prediction=[0]) == {"input": ["1", "2"], "prediction": ["0"]}
    assert features(prediction=[0, 2], label=1) == {"prediction": ["0", "2"], "label": ["1"]}
    assert features(label=[0, 1, 2] * 100) == {"input": ["0", "1", "2"], "label": ["value"]}
    assert list(Reference.from_frame(frame, slices=1).slices) == ["1"]
    assert list(Reference.from_frame(frame, slices=[1]).slices["1"]) == ["0", "1", "2"]


def test_one_name_need_not_be_in_a_list() -> None:
    """A string is one column, not its letters."""
    frame = pd.DataFrame({"ab": [1.0, 2.0], "a": [3.0, 4.0], "b": ["x", "y"], "s": ["u", "v"]})
    assert list(Reference.from_frame(frame, drop="ab").features) == ["a", "b", "s"]
    assert list(Reference.from_frame(frame, slices="s").slices) == ["s"]


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(0, 1, 200),
        np.arange(30_000) % 1001,
        [f"id{i}" for i in range(200)],
        [f"{i}x" for i in range(50_000)],
    ],
)
def test_what_hardly_repeats_makes_no_slices(values: Any) -> None:
    """Continuous numbers and identifiers, of which the twenty most frequent would be any twenty."""
    frame = pd.DataFrame({"x": 1.0, "s": values})
    with pytest.raises(ValueError, match="column 's' has too many different values for slices: give one of categories"):
        Reference.from_frame(frame, slices=["s"])


@pytest.mark.parametrize(
    "values", [np.arange(30_000) % 1000, [f"town {i % 1500}" for i in range(30_000)], np.arange(9)]
)
def test_many_categories_make_slices_of_the_most_frequent(values: Any) -> None:
    """Numbers up to a thousand different ones, text, and a few rows of whatever."""
    assert len(Reference.from_frame(pd.DataFrame({"s": values}), slices=["s"]).slices["s"]) == min(len(values), 20)


def test_signalling_nan_is_missing() -> None:
    """Decimal has a NaN that cannot be compared, hashed or made a float."""
    from decimal import Decimal

    frame = pd.DataFrame({"n": [Decimal("1.5"), Decimal("sNaN"), None] * 9, "t": ["a", Decimal("-sNaN"), "b"] * 9})
    reference = Reference.from_frame(frame)
    assert (numeric(reference, "n").count, numeric(reference, "n").missing) == (9, 18)
    assert dict(categorical(reference, "t").categories) == {"a": 9, "b": 9}
    assert categorical(reference, "t").missing == 9


@pytest.mark.parametrize("value", [1e308, -1e308, HUGE])
def test_vectors_of_huge_numbers_need_no_warning(value: float) -> None:
    """What overflows is not finite, and counts as that; warnings are errors."""
    matrix = np.full((5000, 300), value)
    matrix[:2000, 7] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reference = Reference.from_frame(matrix)
    assert numeric(reference, "non_finite").max == 0
    vector = reference.signals["input"].vector
    assert vector is not None
    assert np.isfinite(vector.mean).all()


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (pd.DataFrame({"a": []}), {}, "there are no rows"),
        (np.zeros((0, 3)), {}, "there are no rows"),
        (np.zeros((0, 300)), {}, "there are no rows"),
        (np.zeros(3), {}, "one dimension"),
        (np.zeros((2, 2, 2)), {}, "one or two dimensions, not of 3"),
        (np.zeros((2, 2)), {"names": ["a"]}, "1 names for 2 columns"),
        (pd.DataFrame({"a": [1.0]}), {"names": ["a"]}, "`names` is for an array"),
        (pd.DataFrame({"a": [1.0]}), {"label": "y"}, "there is no column 'y'; there are a"),
        (pd.DataFrame({"a": [1.0]}), {"slices": ["y"]}, "there is no column 'y'; there are a"),
        (pd.DataFrame({"a": [1.0]}), {"label": np.zeros(2)}, "1 of input, 2 of label"),
        (pd.DataFrame({"a": [None]}), {}, "no column can be used: a: all values are missing"),
        (np.zeros((2, 300)), {"slices": ["a"]}, "300 columns without names"),
        (np.zeros((2, 300)), {"drop": 0}, "300 columns without names"),
        (np.zeros((2, 3)), {"names": ["b", "a", "a"]}, "there is more than one 'a' among the names"),
        (pd.DataFrame({"a": [1.0], "b": [2.0]}), {"drop": "ab"}, "there is no column 'ab'; there are a, b"),
        (pd.DataFrame({"a": [1.0], "b": [2.0]}), {"drop": ["a", "b"]}, "no column is left to profile: drop fewer"),
        (pd.DataFrame(index=range(5)), {}, "no column is left to profile: .* or give data that has some"),
    ],
)
def test_data_that_cannot_be_summed_up_is_refused_clearly(data: Any, arguments: dict[str, Any], message: str) -> None:
    """One line that says what is wrong."""
    with pytest.raises(ValueError, match=message) as raised:
        Reference.from_frame(data, **arguments)
    assert "\n" not in str(raised.value)
