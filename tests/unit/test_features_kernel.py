"""The compiled kernel beside numpy: the same state, bit by bit where it is counts."""

from __future__ import annotations

import logging
import math
import os
from typing import Any

import numpy as np
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bento_observe.features import _compiled
from bento_observe.features._feature import NumericFeature
from bento_observe.features._numbers import NumericTable

if _compiled.KERNEL is None and "CI" not in os.environ:
    pytest.skip("the kernel was not built", allow_module_level=True)

AWKWARD = [0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, 1.7976931348623157e308, -1.7976931348623157e308, math.inf, -math.inf]
elements = st.one_of(st.floats(), st.sampled_from([*AWKWARD, math.nan]), st.integers(-3, 3).map(float))
edges_of_one = st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=1, max_size=70, unique=True).map(sorted)


def both(edges: dict[str, np.ndarray], centers: dict[str, tuple[float, float]]) -> tuple[NumericTable, NumericTable]:
    """A table that the kernel counts in, and one that numpy does."""
    assert _compiled.KERNEL is not None
    return NumericTable(edges, centers, _compiled.KERNEL), NumericTable(edges, centers)


def assert_equal(compiled: NumericFeature, numpy: NumericFeature) -> None:
    np.testing.assert_array_equal(compiled.counts, numpy.counts)
    for name in ("count", "missing", "non_finite", "invalid"):
        assert getattr(compiled, name) == getattr(numpy, name), name
    for name in ("min", "max"):
        assert getattr(compiled, name) == pytest.approx(getattr(numpy, name), rel=0, abs=0, nan_ok=True), name
    spread = max(np.abs(numpy.min), np.abs(numpy.max))
    if spread < 1e140:  # else squares overflow; NaN without a value
        assert compiled.mean == pytest.approx(numpy.mean, rel=1e-9, abs=1e-12 * spread)
        assert compiled.squares == pytest.approx(numpy.squares, rel=1e-6, abs=1e-9 * spread**2)
    if compiled.deviations is not None:
        assert numpy.deviations is not None
        # Of sums of terms of either sign what is left may be rounding: it is measured by the terms.
        size = max(abs(numpy.deviations.above), abs(numpy.deviations.below), 1.0)
        assert compiled.deviations.above == pytest.approx(numpy.deviations.above, rel=1e-12, abs=1e-12 * size)
        assert compiled.deviations.below == pytest.approx(numpy.deviations.below, rel=1e-12, abs=1e-12 * size)
        assert compiled.deviations.squares == pytest.approx(numpy.deviations.squares, rel=1e-12)


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(edges=st.lists(edges_of_one, min_size=1, max_size=4), data=st.data())
def test_any_numbers_in_any_layout_count_alike(edges: list[list[float]], data: Any) -> None:
    """Columns in another order, strided, more than a tile of them; fixed centers, and those that follow."""
    known = {f"f{i}": np.array(one) for i, one in enumerate(edges)}
    centers = {name: (0.25, 100.0) for name in known if data.draw(st.booleans())}
    compiled, numpy = both(known, centers)
    for _ in range(2):
        names = data.draw(st.permutations(list(known)))[: data.draw(st.integers(1, len(known)))]
        shape = (data.draw(st.integers(0, 600)), len(names) + 1)
        rows = data.draw(hnp.arrays(np.float64, shape, elements=elements, fill=st.sampled_from([0.5, -7.0])))
        columns = rows.T[
            data.draw(st.sampled_from([slice(1, None), slice(-1, 0, -1)])), :: data.draw(st.integers(1, 2))
        ]
        for table in (compiled, numpy):
            table.add(tuple(names), columns, None)
    for name, feature in compiled.features().items():
        assert_equal(feature, numpy.features()[name])


def test_many_rows_count_alike() -> None:
    """Several tiles, several chunks, an odd one out in each."""
    rng = np.random.default_rng(5)
    rows = rng.standard_t(2, size=(5000, 12))
    rows[::97, 3], rows[::89, 4], rows[::83, 5] = np.nan, np.inf, -np.inf
    known = {f"f{i}": np.quantile(rng.standard_t(2, size=999), np.linspace(0.01, 0.99, 5 * i + 1)) for i in range(12)}
    compiled, numpy = both(known, dict.fromkeys(known, (0.1, 50.0)))
    invalid = np.arange(12)
    for table in (compiled, numpy):
        table.add(tuple(known), rows.T, invalid)
    for name, feature in compiled.features().items():
        assert_equal(feature, numpy.features()[name])
    for taken, other in zip(compiled.take_extremes().values(), numpy.take_extremes().values(), strict=True):
        assert taken == other


ARRAYS = (
    "columns", "start", "stop", "group", "positions", "rows", "edges", "center", "reach", "sums", "recent", "explicit",
    "count", "missing", "non_finite",
)  # fmt: skip


def arguments() -> dict[str, Any]:
    """Those of two columns of four values in three slots."""
    whole, floats = np.zeros(3, np.int64), np.zeros(3)
    edges = np.full((3, 8), np.inf)
    edges[:, 0] = 0.5
    values = (
        np.ones((2, 4)), 0, 4, 8, np.array([0, 1]), np.array([2, 0]), edges, floats, floats + np.inf,
        np.zeros((3, 3)), np.full((2, 3), np.inf), np.zeros((3, 2), np.int64), whole, whole.copy(), whole.copy(),
    )  # fmt: skip
    return dict(zip(ARRAYS, values, strict=True))


def test_the_arguments_of_the_kernel() -> None:
    """Those of the next test are good but for what it changes."""
    assert _compiled.KERNEL is not None
    given = arguments()
    _compiled.KERNEL(*given.values())
    assert given["count"].tolist() == [4, 0, 4]
    assert given["explicit"].tolist() == [[0, 4], [0, 0], [0, 4]]


READ_ONLY = np.zeros(3, np.int64)
READ_ONLY.flags.writeable = False
PADDED = np.full((3, 16), np.inf)
PADDED[:, 7] = 0.5
UNALIGNED = np.frombuffer(bytearray(73), np.uint8)[1:].view(np.float64).reshape(3, 3)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"columns": np.ones((2, 4), np.float32)}, ValueError),
        ({"columns": np.ones(8)}, ValueError),
        ({"columns": "text"}, TypeError),
        ({"stop": 5}, ValueError),
        ({"start": -1}, ValueError),
        ({"start": 3, "stop": 2}, ValueError),
        ({"start": 1.5}, TypeError),
        ({"group": 7}, ValueError),
        ({"group": 16}, ValueError),
        ({"positions": np.array([0, 2])}, ValueError),
        ({"positions": np.array([0, -1])}, ValueError),
        ({"positions": np.array([0.0, 1.0])}, ValueError),
        ({"positions": np.array([0, 1], np.int32)}, ValueError),
        ({"rows": np.array([0, 3])}, ValueError),
        ({"rows": np.array([0])}, ValueError),
        ({"edges": np.zeros((3, 8))}, ValueError),
        ({"edges": np.full((3, 8), np.nan)}, ValueError),
        ({"edges": np.full((2, 8), np.inf)}, ValueError),
        ({"edges": np.zeros((3, 0)), "explicit": np.zeros((3, 0), np.int64)}, ValueError),
        ({"edges": PADDED}, ValueError),
        ({"center": np.zeros(2)}, ValueError),
        ({"reach": np.zeros(2)}, ValueError),
        ({"sums": np.zeros((2, 3))}, ValueError),
        ({"sums": np.zeros((3, 2))}, ValueError),
        ({"sums": UNALIGNED}, (BufferError, ValueError)),
        ({"recent": np.zeros((1, 3))}, ValueError),
        ({"recent": np.zeros((2, 2))}, ValueError),
        ({"explicit": np.zeros((3, 0), np.int64)}, ValueError),
        ({"explicit": np.zeros((3, 9), np.int64)}, ValueError),
        ({"explicit": np.zeros((2, 2), np.int64)}, ValueError),
        ({"explicit": np.zeros((2, 3), np.int64).T}, (BufferError, ValueError)),
        ({"missing": np.zeros(2, np.int64)}, ValueError),
        ({"non_finite": np.zeros(2, np.int64)}, ValueError),
        ({"count": READ_ONLY}, (BufferError, ValueError)),
    ],
)
def test_the_kernel_refuses_what_it_would_read_or_write_beyond(wrong: dict[str, Any], error: Any) -> None:
    """And has changed nothing then."""
    assert _compiled.KERNEL is not None
    given = {**arguments(), **wrong}
    before = {name: value.copy() for name, value in given.items() if isinstance(value, np.ndarray)}
    with pytest.raises(error):
        _compiled.KERNEL(*given.values())
    for name, value in before.items():
        np.testing.assert_array_equal(given[name], value, err_msg=name)


def test_the_kernel_refuses_a_wrong_number_of_arguments() -> None:
    assert _compiled.KERNEL is not None
    with pytest.raises(TypeError, match="15 arguments"):
        _compiled.KERNEL(1, 2)


def test_a_kernel_that_was_built_for_another_version_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It would count something else, or nothing."""
    from bento_observe.features import _kernel

    assert _compiled._find() is not None
    monkeypatch.setattr(_kernel, "VERSION", _kernel.VERSION + 1)
    with caplog.at_level(logging.WARNING, "bento_observe"):
        assert _compiled._find() is None
    assert "install again" in caplog.text
