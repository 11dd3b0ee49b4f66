"""The error of a regression is estimated from its inputs: near the truth, with a band that holds, and additive."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _regressions import COLUMNS, homes, inputs_of, reference, tree
from click.testing import CliRunner
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.tree import DecisionTreeRegressor

from bento_observe import FeatureStatistics, Reference, semconv
from bento_observe.cli import main
from bento_observe.features import Group, Snapshot, encode
from bento_observe.features.estimate import Estimate, loss_performance
from bento_observe.features.reference import BadReferenceError, SignalReference
from bento_observe.features.reference._document import identify
from bento_observe.features.reference._loss_tree import splits_of


def counted(signal: SignalReference, data: Any) -> Snapshot:
    statistics = FeatureStatistics(signal)
    statistics.update(data)
    return statistics.snapshot()


def estimated(signal: SignalReference, data: Any) -> dict[str, Estimate]:
    snapshot = counted(signal, data)
    assert snapshot.loss is not None
    assert signal.losses is not None
    return loss_performance(snapshot.loss, signal.losses.total)


def test_the_estimate_is_near_the_truth_though_inputs_shifted() -> None:
    """Errors are a half larger by then; no label is looked at."""
    inputs, said, labels = homes(8000, 2, larger=0.8)
    found = estimated(inputs_of(reference()), inputs)
    before = mean_absolute_error(*homes(8000, 3)[1:])
    real = mean_absolute_error(said, labels)
    assert real > 1.4 * before
    assert found["mae"].value == pytest.approx(real, rel=0.06)
    assert found["rmse"].value == pytest.approx(root_mean_squared_error(said, labels), rel=0.1)


def test_the_band_holds_the_truth_as_often_as_it_says() -> None:
    """Of 100 windows of other rows, each with a reference of its own, at least nine in ten."""
    model = tree()
    missed = {"mae": 0, "rmse": 0}
    for number in range(100):
        signal = inputs_of(reference(2000, 2 * number, model))
        inputs, said, labels = homes(1000, 2 * number + 1)
        real = {"mae": mean_absolute_error(said, labels), "rmse": root_mean_squared_error(said, labels)}
        for metric, found in estimated(signal, inputs).items():
            missed[metric] += not found.low <= real[metric] <= found.high
    assert all(count <= 10 for count in missed.values()), missed
    assert missed["mae"] >= 1, "a band that is never missed is too wide"


@pytest.mark.parametrize(
    "given",
    [
        lambda frame: frame,
        lambda frame: frame.to_numpy(),
        lambda frame: frame.to_dict("records"),
        lambda frame: frame.assign(name="text").to_dict("records"),
        lambda frame: frame.assign(name="text")[["name", "age", "size"]],
    ],
)
def test_inputs_of_every_shape_end_in_the_same_leaves(given: Callable[[pd.DataFrame], Any]) -> None:
    """Frames, arrays, rows; with columns that the tree does not look at."""
    signal = inputs_of(reference())
    inputs = homes(300, 2)[0]
    whole, other = counted(signal, inputs).loss, counted(signal, given(inputs)).loss
    assert whole is not None
    assert other is not None
    assert (whole.rows, other.rows) == (300, 300)
    assert other.absolute == pytest.approx(whole.absolute)
    assert other.squared_variance == pytest.approx(whole.squared_variance)


def test_leaves_are_scikit_learn_s() -> None:
    """To the last row, thresholds included, which it compares as float32."""
    model = tree(frame=False)
    inputs = homes(5000, 2)[0].to_numpy()
    on_edges = np.repeat(inputs[:1], model.tree_.node_count, axis=0)
    on_edges[np.arange(len(on_edges)), np.maximum(model.tree_.feature, 0)] = model.tree_.threshold
    rows = np.concatenate([inputs, on_edges, on_edges * (1 + 1e-9)])
    splits = splits_of(model, COLUMNS)
    used = rows[:, [COLUMNS.index(name) for name in splits.columns]]
    np.testing.assert_array_equal(splits.leaves(used), model.apply(rows))


def test_sums_of_parts_are_those_of_the_whole() -> None:
    """Over threads, workers or time; of pickles and deltas too."""
    signal = inputs_of(reference())
    inputs = homes(1000, 2)[0]
    whole = counted(signal, inputs).loss
    first, second = counted(signal, inputs[:300]), counted(signal, inputs[300:])
    statistics = FeatureStatistics(signal)
    statistics.update(inputs[:300])
    assert statistics.delta().loss == first.loss
    statistics.merge(second)
    assert whole is not None
    for both in (first + second, pickle.loads(pickle.dumps(first + second)), statistics.snapshot()):
        assert both.loss is not None
        assert both.loss.rows == 1000
        assert both.loss.squared == pytest.approx(whole.squared)
    later = (first + second - second).loss
    assert later is not None
    assert first.loss is not None
    assert (later.rows, later.absolute) == (300, pytest.approx(first.loss.absolute))


def test_rows_without_a_number_are_left_out() -> None:
    """As those without one of the columns are."""
    signal = inputs_of(reference())
    inputs = homes(100, 2)[0]
    inputs.loc[:9, "size"] = np.nan
    found = counted(signal, inputs).loss
    assert found is not None
    assert found.rows == 90
    nothing = counted(signal, inputs[["age"]]).loss
    assert nothing is not None
    assert nothing.rows == 0
    assert loss_performance(nothing, 5000) == {}


def test_losses_are_those_of_the_held_out_rows() -> None:
    """Not those that the tree was trained on; and they come back from a file."""
    made = reference()
    _, said, labels = homes(5000, 1)
    losses = inputs_of(made).losses
    assert losses is not None
    assert losses.total == 5000
    absolute, squared, *_ = losses.sums(losses.rows)
    assert absolute / 5000 == pytest.approx(mean_absolute_error(said, labels))
    assert np.sqrt(squared / 5000) == pytest.approx(root_mean_squared_error(said, labels))


def test_a_file_of_data_has_the_losses_of_a_frame(tmp_path: Path) -> None:
    """However it is cut into pieces."""
    inputs, said, labels = homes(1500, 1)
    inputs.assign(said=said, price=labels).to_csv(tmp_path / "homes.csv", index=False)
    columns: dict[str, Any] = {"prediction": "said", "label": "price", "loss_model": tree()}
    whole = Reference.from_frame(inputs.assign(said=said, price=labels), **columns)
    assert inputs_of(whole).losses is not None
    assert Reference.from_file(tmp_path / "homes.csv", chunk_rows=400, **columns) == whole


def test_a_tree_can_be_fitted_to_half_of_the_rows() -> None:
    """By what is a number and there; the other half says what is in its leaves, so that the estimate is near."""
    inputs, said, labels = homes(8000, 1)
    random = np.random.default_rng(0)
    inputs["empty"] = np.where(random.random(8000) < 0.5, np.nan, 1.0)
    inputs["name"] = random.choice(["a", "b"], 8000)
    made = Reference.from_frame(inputs, prediction=said, label=labels, loss_model="fit")
    signal = inputs_of(made)
    assert signal.losses is not None
    assert "size" in signal.losses.splits.columns
    assert set(signal.losses.splits.columns) <= {"size", "age"}
    assert signal.losses.total == pytest.approx(4000, rel=0.05)
    served, said, labels = homes(8000, 2, larger=0.8)
    found = estimated(signal, served)
    assert found["mae"].value == pytest.approx(mean_absolute_error(said, labels), rel=0.1)
    assert Reference.from_frame(inputs, prediction=homes(8000, 1)[1], label=homes(8000, 1)[2], loss_model="fit") == made


def test_a_fitted_tree_is_the_same_however_a_file_is_cut(tmp_path: Path) -> None:
    """And what the command does is what the library does."""
    inputs, said, labels = homes(2000, 1)
    frame = inputs.assign(said=said, price=labels)
    frame.to_parquet(tmp_path / "homes.parquet")
    columns: dict[str, Any] = {"prediction": "said", "label": "price", "loss_model": "fit"}
    whole = Reference.from_frame(frame, **columns)
    assert inputs_of(whole).losses is not None
    assert Reference.from_file(tmp_path / "homes.parquet", chunk_rows=300, **columns) == whole
    arguments = ["--prediction", "said", "--label", "price", "--loss-model", "fit", "-o", str(tmp_path / "homes.json")]
    result = CliRunner().invoke(main, ["profile", str(tmp_path / "homes.parquet"), *arguments])
    assert result.exit_code == 0, result.output
    assert Reference.load(tmp_path / "homes.json") == whole
    assert "predictions with labels: mae" in result.output


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"prediction": None}, "it takes one prediction and one label, both numbers"),
        ({"label": ["no number"] * 3000}, "0 rows have inputs, a prediction and a label, fewer than the 400"),
        ({"data": pd.DataFrame({"name": ["a", "b"] * 1500})}, "there is no input that is a number"),
        (
            {"data": pd.DataFrame({"size": [np.nan, 1.0, 2.0] * 1000})},
            "no input is there, as a number, in 99% of the rows",
        ),
        ({"label": [1.0] * 399 + [np.nan] * 2601}, "399 rows have inputs, a prediction and a label, fewer than the"),
    ],
)
def test_why_no_tree_is_fitted_is_told(change: dict[str, Any], why: str) -> None:
    """The rest of the reference is there."""
    inputs, said, labels = homes(3000, 1)
    made = Reference.from_frame(**{"data": inputs, "prediction": said, "label": labels, "loss_model": "fit", **change})
    assert why in made.skipped["losses"]
    assert inputs_of(made).losses is None


def test_without_scikit_learn_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra, which is told by its name."""
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    with pytest.raises(ValueError, match=r"pip install bento-observe\[losses\]"):
        Reference.from_file(tmp_path / "not there.csv", prediction="a", label="b", loss_model="fit")


def test_losses_come_back_from_a_file(tmp_path: Path) -> None:
    """All of them, and the same leaves."""
    made = reference()
    made.save(tmp_path / "homes.json")
    loaded = Reference.load(tmp_path / "homes.json")
    assert loaded == made
    inputs = homes(500, 2)[0]
    assert counted(inputs_of(loaded), inputs).loss == counted(inputs_of(made), inputs).loss


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (LinearRegression(), "loss_model=LinearRegression is no fitted tree; give a DecisionTreeRegressor"),
        (DecisionTreeRegressor(), "loss_model=DecisionTreeRegressor is no fitted tree"),
        (DecisionTreeRegressor().fit(np.arange(3000.0).reshape(-1, 2), np.arange(1500.0)), "leaves, more than 256"),
        (DecisionTreeRegressor().fit(np.eye(3), [1, 2, 3]), "loss_model takes 3 columns, which the data does not have"),
        (
            DecisionTreeRegressor().fit(pd.DataFrame({"rooms": [1, 2], "age": [0, 0]}), [1, 2]),
            "loss_model takes 'rooms', which the data does not have",
        ),
    ],
)
def test_a_model_that_cannot_be_used_is_told_in_one_line(model: Any, why: str) -> None:
    """When the training data is profiled."""
    with pytest.raises(ValueError, match="loss_model") as raised:
        reference(model=model)
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


def test_why_there_are_no_losses_is_told() -> None:
    """Among what was left out; the rest of the reference is there."""
    inputs, said, labels = homes(50, 1)
    few = Reference.from_frame(inputs, prediction=said, label=labels, loss_model=tree())
    assert few.skipped["losses"] == "50 rows have inputs, a prediction and a label, fewer than 100"
    without = Reference.from_frame(inputs, prediction=said, loss_model=tree())
    assert without.skipped["losses"] == "it takes one prediction and one label, both numbers"
    assert inputs_of(without).losses is None


@pytest.mark.parametrize(
    ("field", "change", "expected"),
    [
        ("threshold", lambda values: values * 100, "not 1 to 511"),
        ("split", lambda values: [7, *values[1:]], "positions of columns, or -1"),
        ("left", lambda values: [0, *values[1:]], "do not lead to nodes further on"),
        ("right", lambda values: [len(values), *values[1:]], "do not lead to nodes further on"),
        ("absolute", lambda values: [-1, *values[1:]], "numbers of 0 or more"),
        ("rows", lambda values: values[1:], "elements, not"),
    ],
)
def test_every_wrong_field_of_losses_is_named(
    tmp_path: Path, field: str, change: Callable[[Any], Any], expected: str
) -> None:
    """A tree that leads back to itself would never end."""
    path = tmp_path / "homes.json"
    reference().save(path)
    document = json.loads(path.read_text())
    losses = document["signals"]["input"]["losses"]
    losses[field] = change(losses[field])
    document["id"] = identify(document)
    path.write_text(json.dumps(document))
    with pytest.raises(BadReferenceError, match=rf"signals\.input\.losses\.{field}") as raised:
        Reference.load(path)
    assert expected in str(raised.value)


def test_sums_and_estimates_are_sent() -> None:
    """Of one worker all, and by one worker what the reference's own predictions were off by."""
    signal = inputs_of(reference())
    inputs = homes(300, 2)[0]
    snapshot = counted(signal, inputs)
    estimates = estimated(signal, inputs)
    group = Group({}, snapshot, signal, estimates={"1h": estimates}, describe=True)
    message = pb.ScopeMetrics(metrics=encode([group], 5, 9, pb.AGGREGATION_TEMPORALITY_CUMULATIVE)).SerializeToString()
    sent: dict[tuple[str, ...], float] = {}
    for metric in pb.ScopeMetrics.FromString(message).metrics:
        declared = next(one for one in semconv.METRICS if one.name == metric.name)
        data: Any = getattr(metric, metric.WhichOneof("data") or "")
        for point in data.data_points if "loss" in metric.name or "estimate" in metric.name else ():
            pairs = {pair.key: pair.value.string_value for pair in point.attributes}
            assert pairs.keys() <= set(declared.attributes)
            del pairs[semconv.ML_REFERENCE_ID]
            sent[(metric.name, *pairs.values())] = point.as_double or float(point.as_int)
    assert snapshot.loss is not None
    assert sent["ml.estimate.loss.rows",] == 300
    for outcome in ("absolute", "squared", "absolute_variance", "squared_variance"):
        assert sent["ml.estimate.loss", outcome] == getattr(snapshot.loss, outcome) > 0
    assert sent["ml.estimate.reference.rows",] == 5000
    for metric_name, one in estimates.items():
        key = ("ml.performance.loss.estimate", "1h", metric_name)
        assert [sent[(*key, bound)] for bound in ("low", "value", "high")] == [one.low, one.value, one.high]
        assert 0 < one.low < one.value < one.high
        assert sent["ml.performance.loss.reference", metric_name] > 0
