"""Columns of which the reference has no feature keep their place in the arrays and lists that are served."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bento_observe import FeatureStatistics, Reference, drift
from bento_observe.features.reference import CategoricalReference, SignalReference

ROWS = 400


@pytest.fixture
def frame() -> pd.DataFrame:
    """Dates, one column twice, and one without a value among others."""
    rng = np.random.default_rng(3)
    columns = {
        "when": pd.date_range("2020-01-01", periods=ROWS),
        "a": rng.normal(size=ROWS),
        "dead": np.full(ROWS, np.nan),
        "t": rng.choice(["x", "y"], ROWS),
        "b": rng.normal(100, 1, ROWS),
    }
    made = pd.DataFrame(columns)
    return pd.concat([made, made[["a"]] + 50], axis=1)


NAMES = ("when", "a", "dead", "t", "b", "a")


def test_the_names_of_all_columns_are_kept(frame: pd.DataFrame, tmp_path: Path) -> None:
    """In the file, under the id, in a pickle, and in slices."""
    reference = Reference.from_frame(frame, slices=["t"])
    reference.save(tmp_path / "r.json")
    assert '"columns": ["when", "a", "dead", "t", "b", "a"],' in (tmp_path / "r.json").read_text()
    for one in (reference, Reference.load(tmp_path / "r.json"), pickle.loads(pickle.dumps(reference))):
        assert one.id == reference.id
        assert one.signals["input"].columns == NAMES
        assert one.slices["t"]["x"]["input"].columns == NAMES
        assert set(one.features) == {"a", "t", "b"}
    document = json.loads((tmp_path / "r.json").read_text())
    document["signals"]["input"]["columns"].reverse()
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="id does not match the content"):
        Reference.load(tmp_path / "r.json")


def test_a_feature_that_is_no_column_is_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    """Arrays could not be told apart by such names."""
    Reference.from_frame(frame).save(tmp_path / "r.json")
    document = json.loads((tmp_path / "r.json").read_text())
    document["signals"]["input"]["columns"][3] = "u"
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"signals\.input\.features\.t is not among columns; profile"):
        Reference.load(tmp_path / "r.json")


def test_files_have_the_columns_of_their_frames(frame: pd.DataFrame, tmp_path: Path) -> None:
    """However they are read."""
    single = frame.iloc[:, :5]
    single.to_parquet(tmp_path / "d.parquet")
    found = Reference.from_file(tmp_path / "d.parquet", chunk_rows=70, label="t", drop="b")
    assert {name: one.columns for name, one in found.signals.items()} == {"input": NAMES[:3], "label": ("t",)}
    assert found == Reference.from_frame(single, label="t", drop="b")


def test_lists_and_arrays_of_all_columns_are_counted(frame: pd.DataFrame) -> None:
    """Each value by the name of its column, of a repeated one the first; a row that is too short is refused."""
    statistics = FeatureStatistics(Reference.from_frame(frame))
    table = frame.astype(object).where(frame.notna(), None)
    statistics.update([[str(row[0]), *row[1:]] for row in table.to_numpy().tolist()])
    statistics.update(table.to_numpy())
    statistics.update(frame)
    statistics.update([["2020-01-01", 1.0, None, "x", 100.0]] * 7)
    seen = statistics.snapshot()
    assert dict(seen.rows_refused) == {"columns": 7}
    assert {name: seen.features[name].count for name in ("a", "t", "b")} == dict.fromkeys(("a", "t", "b"), 3 * ROWS)
    assert not statistics.dropped
    assert seen.features["a"].max == frame.iloc[:, 1].max()  # type: ignore[union-attr]
    compared = drift(Reference.from_frame(frame), seen)
    assert compared.index.tolist() == ["a", "t", "b"]
    assert not compared["drifted"].any()


def test_floats_with_a_column_that_never_has_a_value_are_counted() -> None:
    """It is a feature without a reference, and all of it is missing."""
    data = np.random.default_rng(4).normal(size=(1000, 4))
    data[:, 1] = np.nan
    reference = Reference.from_frame(data, names=["age", "dead", "income", "score"])
    statistics = FeatureStatistics(reference)
    for rows in (data, data[0], data[:0], data[1:2].tolist()):
        statistics.update(rows)
    seen = statistics.snapshot()
    assert not seen.rows_refused
    assert {name: one.count for name, one in seen.features.items()} == {
        "age": 1002, "dead": 0, "income": 1002, "score": 1002,
    }  # fmt: skip
    assert seen.features["dead"].missing >= 1001
    assert statistics.names == ("age", "dead", "income", "score")


def test_probabilities_and_vectors_have_the_names_they_had() -> None:
    """The classes; none for a vector."""
    rng = np.random.default_rng(5)
    matrix = pd.DataFrame(rng.dirichlet([1, 1, 1], ROWS), columns=["r", "g", "b"])
    reference = Reference.from_frame(rng.normal(size=(ROWS, 300)), prediction=matrix)
    prediction, inputs = reference.signals["prediction"], reference.signals["input"]
    assert prediction.columns == prediction.classes == ("r", "g", "b")
    assert FeatureStatistics(prediction).names == ("r", "g", "b")
    assert inputs.columns == ()
    assert FeatureStatistics(inputs).names is None


def test_a_signal_made_by_hand_has_the_columns_of_its_features() -> None:
    """Unless they are given."""
    features = {name: CategoricalReference("categorical", 2, 0, 2, {"x": 1, "y": 1}) for name in "ab"}
    assert SignalReference("r", features).columns == ("a", "b")
    assert SignalReference("r", features, columns=("b", "c", "a")).columns == ("b", "c", "a")
