"""The parts that a reference is made with, each on its own."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bento_observe.features import _probabilities, _vectors
from bento_observe.features.reference import Reference
from bento_observe.features.reference._columns import of_codes, read
from bento_observe.features.reference._sample import RowSample, priorities

SEED = 20240611


def test_priorities_are_splitmix64() -> None:
    """The published sequence of seed 0, and no two alike."""
    assert [hex(value) for value in priorities(0, 3).tolist()] == [
        "0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f",
    ]  # fmt: skip
    assert np.unique(priorities(0, 100_000)).size == 100_000
    np.testing.assert_array_equal(priorities(0, 100)[37:], priorities(37, 63))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=30))
def test_the_sample_is_the_rows_of_lowest_priority(pieces: list[int]) -> None:
    """However the rows are cut."""
    size = 25
    sample, held = RowSample(size), np.zeros(0, np.int64)
    start = 0
    for rows in pieces:
        held = np.concatenate([held, start + sample.pick(rows)])
        start += rows
        if (kept := sample.settle()) is not None:
            held = held[kept]
        assert held.size <= size * 3 // 2
    if (kept := sample.settle(final=True)) is not None:
        held = held[kept]
    assert held.tolist() == sorted(np.argsort(priorities(0, start))[:size].tolist())


def test_true_is_not_one_and_what_is_no_category_is_none() -> None:
    """Python calls True and 1 equal, and a list cannot be looked up."""
    cells = np.array([True, 1, 1.0, "1", None, [1], math.nan, "true"], dtype=object)
    codes, names = read(cells).categories()
    assert names == ["true", "1"]
    assert codes.tolist() == [0, 1, 1, 1, -1, -1, -1, 0]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (pd.Series([1, 0, None], dtype="Int64"), "numbers"),
        (pd.Series([1.5, None, 2.0], dtype="Float64"), "numbers"),
        (pd.Series([1.5, None, 2.0], dtype="double[pyarrow]"), "numbers"),
        (pd.arrays.SparseArray([1.5, np.nan, 2.0]), "numbers"),
        (np.array([1.5, np.nan, 2.0], dtype=np.float16), "numbers"),
        (pd.Series([True, None, False], dtype="boolean"), "booleans"),
        (pd.Series([True, None, False], dtype="bool[pyarrow]"), "booleans"),
        (pd.Series(["a", None, "b"], dtype="string"), "texts"),
        (pd.Series(["a", None, "b"], dtype="string[pyarrow]"), "texts"),
        (pd.Series(["a", None, "b"], dtype="category"), "texts"),
        (pd.Series(pd.Categorical([pd.Timestamp("2020"), None, pd.Timestamp("2021")])), "others"),
        (pd.Series([*pd.period_range("2020", periods=2), None]), "others"),
        (np.array(["2020", "NaT", "2021"], dtype="datetime64[D]"), "others"),
    ],
)
def test_every_type_of_column_is_read(cells: object, kind: str) -> None:
    """Two values and one missing."""
    column = read(pd.Series(cells) if isinstance(cells, pd.arrays.SparseArray) else cells)
    assert {name: getattr(column, name) for name in ("numbers", "booleans", "texts", "others")} == {
        "numbers": 0, "booleans": 0, "texts": 0, "others": 0, kind: 2,
    }  # fmt: skip
    assert int(np.isnan(column.floats).sum()) == (1 if kind in ("numbers", "booleans") else 3)


def test_fixed_width_text_is_text() -> None:
    """numpy has no missing text."""
    column = read(np.array(["a", "b", "a"]))
    assert column.texts == 3
    assert column.categories()[1] == ["a", "b"]


def test_codes_come_in_order_of_appearance() -> None:
    """Whatever the names' order is."""
    column = of_codes(np.array([2, -1, 0, 2]), ["x", "y", "z"])
    assert (column.texts, column.categories()[1], column.categories()[0].tolist()) == (3, ["z", "x"], [0, -1, 1, 0])


def test_probabilities_are_told_from_other_matrices() -> None:
    """Half-precision sums pass; one column, sums off by more, negatives, and nothing but NaN do not."""
    softmax = np.random.default_rng(SEED).dirichlet(np.ones(5), 1000)
    assert _probabilities.is_probabilities(softmax)
    assert _probabilities.is_probabilities(softmax.astype(np.float16).astype(np.float64))
    assert _probabilities.is_probabilities(np.array([[np.nan, 1.0], [0.3, 0.7]]))
    for matrix in ([[1.0]], [[0.5, 0.6]], [[1.2, -0.2]], [[np.inf, -np.inf]], [[np.nan, 1.0]]):
        assert not _probabilities.is_probabilities(np.array(matrix))


def test_what_is_made_of_probabilities() -> None:
    """The first of equals, entropy in nats, -1 and NaN for rows that are not finite, certainty not above 1."""
    rows = np.array([[0.5, 0.5], [1.0, 0.0], [np.nan, 1.0], [np.inf, 0.0], [1.0005, 0.0]])
    for matrix in (rows, np.asfortranarray(rows)):
        classes, confidence, entropy = _probabilities.derived(matrix)
        assert classes.tolist() == [0, 0, -1, -1, 0]
        np.testing.assert_array_equal(confidence, [0.5, 1.0, np.nan, np.nan, 1.0])
        np.testing.assert_allclose(entropy, [math.log(2), 0, np.nan, np.nan, -1.0005 * math.log(1.0005)])
    assert np.isnan(rows[2, 0])


def test_what_is_made_of_vectors() -> None:
    """Over the finite elements; NaN where there is none; no distance without a mean; a mean of another length."""
    rows = np.array([[3.0, 4.0, 0.0], [np.inf, 6.0, np.nan], [np.nan] * 3])
    names, columns = _vectors.derived(rows, np.array([3.0, 0.0, 0.0]))
    assert names == ("norm", "mean", "distance", "non_finite")
    nan = np.nan
    np.testing.assert_allclose(columns, [[5, 6, nan], [7 / 3, 6, nan], [4, 6, nan], [0, 2, 3]])
    assert _vectors.derived(rows, None)[0] == ("norm", "mean", "non_finite")
    with pytest.raises(ValueError, match="vectors of 3 dimensions, a mean of 2"):
        _vectors.derived(rows, np.zeros(2))


def test_the_file_is_json_that_a_person_can_read(tmp_path: Path) -> None:
    """Thirty features take a few hundred lines, arrays one each; text is text."""
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame({f"f{i}": rng.normal(size=500) for i in range(29)} | {"größe": ["klein", "groß"] * 250})
    path = tmp_path / "r.json"
    Reference.from_frame(frame, slices=["größe"]).save(path)
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 600
    assert '"categories": {"groß": 250, "klein": 250}' in text
    document = json.loads(text)
    assert list(document)[:4] == ["format", "schema_version", "id", "rows"]
    assert document["signals"]["input"]["features"]["f0"]["edges"] == sorted(
        document["signals"]["input"]["features"]["f0"]["edges"]
    )


def test_text_that_is_no_unicode_survives(tmp_path: Path) -> None:
    """Half of a surrogate pair, quotes, line ends and controls, in names and values."""
    odd = 'a"\n\u2028\x00\\ \ud800'
    path = tmp_path / "r.json"
    reference = Reference.from_frame(np.array([[odd], ["b"]], dtype=object), names=[odd])
    reference.save(path)
    loaded = Reference.load(path)
    assert loaded == reference
    assert list(loaded.signals["input"].features[odd].categories) == [odd, "b"]  # type: ignore[union-attr]
