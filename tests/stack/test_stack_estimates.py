"""Estimates over all workers, as Prometheus' rules compute them, are what Python makes of all rows together."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import yaml
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from bento_observe import semconv
from bento_observe._label_keys import Key, Keys
from bento_observe.features import Group, encode
from bento_observe.features.concept import Judgement
from bento_observe.features.concept import encode as encode_judgements
from bento_observe.features.estimate import BAND, loss_performance, performance, performance_of_classes
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._matching import Matcher
from bento_observe.feedback._metrics import PerformanceMetrics
from bento_observe.feedback._performance import Performance
from bento_observe.feedback._reading import TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._token import Context, Predictions, TokenMaker
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.stack._assets import collector_dir

sys.path.append(str(Path(__file__).parents[1] / "unit"))
import _regressions
from _estimates import counted, predicted, prediction, reference

pytestmark = pytest.mark.stack

CUMULATIVE = pb.AGGREGATION_TEMPORALITY_CUMULATIVE
HELD_OUT, WORKERS = 3000, (4000, 2500)
MINUTES = 70  # of samples, one a minute; the hour before the last one is looked at
CLASSES = ("0", "1", "2")


def _series(worker: int, metrics: Iterable[pb.Metric]) -> Iterator[dict[str, str]]:
    """What a worker sends, as if the same came in every minute of the hour."""
    for metric in metrics:
        declared = next(one for one in semconv.METRICS if one.name == metric.name)
        if metric.name.startswith("ml.feature."):
            continue
        data: Any = getattr(metric, metric.WhichOneof("data") or "")
        for point in data.data_points:
            pairs = {label_name(pair.key): pair.value.string_value for pair in point.attributes}
            pairs |= {"service_name": "s", "service_instance_id": str(worker)}
            labels = ", ".join(f'{name}="{value}"' for name, value in pairs.items())
            name, summed = metric_name(declared), not metric.HasField("gauge")
            values = {name: point.as_double or point.as_int} if not metric.HasField("histogram") else {}
            values = values or {f"{name}_sum": point.sum, f"{name}_count": point.count}
            for series, value in values.items():
                step = value / 60 if summed else 0.0
                start = 0.0 if summed else value
                yield {"series": f"{series}{{{labels}}}", "values": f"{start!r}+{step:.17f}x{MINUTES}"}


@pytest.mark.parametrize("shift", [0.0, -2.5])
def test_the_rules_compute_what_python_does(promtool: Path, tmp_path: Path, shift: float) -> None:
    """Values and bands of each class and of all; whether they fell below what the reference came to."""
    signal = prediction(reference(predicted(HELD_OUT, 1, 3)))
    snapshots = [counted(signal, predicted(rows, rows, 3, shift).scores) for rows in WORKERS]
    whole = (snapshots[0] + snapshots[1]).expected
    assert whole is not None
    assert signal.calibration is not None
    estimates = performance(whole, HELD_OUT)
    expected: dict[str, dict[tuple[str, ...], float]] = {
        "model:ml_performance_estimate:pooled": {(name,): one.value for name, one in estimates.items()},
        "model:ml_performance_estimate_low:pooled": {(name,): one.low for name, one in estimates.items()},
        "model:ml_performance_estimate_high:pooled": {(name,): one.high for name, one in estimates.items()},
        "model:ml_performance_estimate_error:pooled": {(name,): one.error for name, one in estimates.items()},
        "model:ml_performance_reference:avg": {(name,): one for name, one in signal.calibration.measured.items()},
        "model:ml_performance_estimate:fell": {
            (name,): float(one.high < signal.calibration.measured[name] > one.value + 0.02)
            for name, one in estimates.items()
        },
        "class:ml_performance_estimate:pooled": {},
    }
    for name, (values, errors) in performance_of_classes(whole, HELD_OUT).items():
        for k, own in enumerate(CLASSES):
            expected["class:ml_performance_estimate:pooled"][own, name] = values[k]
            assert 0 < BAND * errors[k] < 0.2
    assert any(expected["model:ml_performance_estimate:fell"].values()) == bool(shift)

    series = [
        one
        for worker, snapshot in enumerate(snapshots)
        for one in _series(worker, encode([Group({}, snapshot, signal, describe=worker == 0)], 5, 9, CUMULATIVE))
    ]
    _run(promtool, tmp_path, series, expected, signal.id)


@pytest.mark.parametrize("larger", [0.0, 1.0])
def test_the_rules_compute_losses_as_python_does(promtool: Path, tmp_path: Path, larger: float) -> None:
    """Of a regression whose inputs are those that it was tested with, or larger ones, of which it knows less."""
    signal = _regressions.inputs_of(_regressions.reference())
    inputs = [_regressions.homes(rows, rows, larger)[0] for rows in WORKERS]
    snapshots = [counted(signal, one) for one in inputs]
    whole = (snapshots[0] + snapshots[1]).loss
    assert whole is not None
    assert signal.losses is not None
    estimates = loss_performance(whole, signal.losses.total)
    series = [
        one
        for worker, snapshot in enumerate(snapshots)
        for one in _series(worker, encode([Group({}, snapshot, signal, describe=worker == 0)], 5, 9, CUMULATIVE))
    ]
    expected: dict[str, dict[tuple[str, ...], float]] = {
        "model:ml_performance_loss_estimate:pooled": {(name,): one.value for name, one in estimates.items()},
        "model:ml_performance_loss_estimate_low:pooled": {(name,): one.low for name, one in estimates.items()},
        "model:ml_performance_loss_estimate_high:pooled": {(name,): one.high for name, one in estimates.items()},
        "model:ml_performance_loss_estimate:rose": dict.fromkeys([("mae",), ("rmse",)], float(larger > 0)),
    }
    _run(promtool, tmp_path, series, expected, signal.id)


@pytest.mark.parametrize(("errors", "drifted"), [(390, False), (700, True), (100, True)])
def test_labels_that_disagree_are_told(promtool: Path, tmp_path: Path, errors: int, drifted: bool) -> None:
    """Of 3,000 labels at two workers, 400 were to be expected to be wrong; that many more or fewer are no chance."""
    pairs = {semconv.ML_REFERENCE_ID: "r", semconv.API_NAME: "a"}
    rows = 'ml_estimate_reference_rows{service_name="s", ml_reference_id="r"}'
    series = [{"series": rows, "values": f"2000x{MINUTES}"}]
    for worker, share in enumerate((0.7, 0.3)):
        judgement = Judgement(round(3000 * share), round(errors * share), 400 * share, 340 * share, False, None, 0.2)
        series += _series(worker, encode_judgements([(pairs, judgement)], 5, 9, CUMULATIVE))
    critical = max(0.02, 3.29 * math.sqrt(340 * (1 + 3000 / 2000)) / 3000)
    expected: dict[str, dict[tuple[str, ...], float]] = {
        "model:ml_estimate_disagreement:pooled": {("a",): (errors - 400) / 3000},
        "model:ml_estimate_disagreement_critical:pooled": {("a",): critical},
        "model:ml_estimate:disagrees": {("a",): float(drifted)},
    }
    _run(promtool, tmp_path, series, expected, "r")


@pytest.mark.parametrize(
    ("worse", "delay", "told", "disagrees"),
    [(1.0, 60.0, True, False), (1.5, 60.0, True, True), (0.5, 60.0, True, True), (1.5, 1800.0, False, False)],
)
def test_labels_of_a_regression_that_disagree_are_told(
    promtool: Path, tmp_path: Path, worse: float, delay: float, told: bool, disagrees: bool
) -> None:
    """By the mean absolute error; where labels come too late for the window, nothing is said."""
    made = _regressions.reference()
    signal = _regressions.inputs_of(made)
    inputs, said, true = _regressions.homes(WORKERS[0], 7, 0.5)
    loss = counted(signal, inputs).loss
    assert loss is not None
    assert signal.losses is not None
    performance_of_labels = Performance(lambda model: Classes(), lambda model: 0.0)
    seen = Seen(None, 10_000, pytest.fail)
    keys = Keys((Key.of(b"a key"),))
    matcher = Matcher(TokenReader(keys), lambda: seen, performance_of_labels, 9e9, lambda *_: None, lambda: 1e6 + delay)
    labelled = 800
    values = Predictions(values=said[:labelled].tolist())
    ids = TokenMaker(keys).tokens([Context("a", "m", "1", (("land", "DE"),))], values, b"nonce 01", 1e6)
    given = said + (true - said) * worse
    assert matcher.take(ids, given[:labelled].tolist()).matched == labelled
    measured = float(np.abs(given - said)[:labelled].mean())
    metrics = PerformanceMetrics(performance_of_labels, matcher.refused, 5)
    assert list(metrics.collect(7, False)), "the first time they are told as 0 as well"
    sent = metrics.collect(9, False)
    pairs = {semconv.ML_MODEL_NAME: "m", semconv.API_NAME: "a"}
    snapshot = counted(signal, inputs)
    series = [
        *_series(0, encode([Group(pairs, snapshot, signal, describe=True)], 5, 9, CUMULATIVE)),
        *_series(1, [metric for scope in sent for metric in scope.metrics]),
    ]
    absolute = loss.absolute / loss.rows
    variance = loss.squared / loss.rows - absolute**2
    critical = 3.29 * math.sqrt(variance / labelled + variance / signal.losses.total)
    assert critical > 0.1 * absolute
    assert (abs(measured - absolute) > critical) == (worse != 1)
    expected: dict[str, dict[tuple[str, ...], float]] = {
        "model:ml_performance_loss_disagreement:pooled": {("mae",): measured - absolute},
        "model:ml_performance_loss_disagreement_critical:pooled": {("mae",): critical},
        "model:ml_performance_loss:disagrees": {("mae",): float(disagrees)},
    }
    if not told:
        expected = {name: {} for name in expected if "critical" not in name}
    _run(promtool, tmp_path, series, expected, signal.id, {"bentoml_api_name": "a", "ml_model_name": "m"})


def _run(
    promtool: Path,
    folder: Path,
    series: list[dict[str, str]],
    expected: dict[str, dict[tuple[str, ...], float]],
    reference_id: str,
    also: Mapping[str, str] = MappingProxyType({}),
) -> None:
    shutil.copy(collector_dir() / "prometheus" / "rules" / "performance_estimate.yaml", folder)
    tests = {
        "rule_files": ["performance_estimate.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "promql_expr_test": [
                    {
                        # Rounded, since the one adds up in another order than the other.
                        "expr": f"round({record}{_window(record)}, 1e-7)",
                        "eval_time": f"{MINUTES}m",
                        "exp_samples": [
                            {
                                "labels": _labels(record, key, reference_id, also or {}),
                                "value": float(np.round(value, 7)),
                            }
                            for key, value in table.items()
                        ],
                    }
                    for record, table in expected.items()
                ],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(tests))
    done = subprocess.run([promtool, "test", "rules", folder / "test.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _window(record: str) -> str:
    return "" if record.endswith(":avg") else '{ml_drift_window="1h"}'


def _labels(record: str, key: tuple[str, ...], reference_id: str, also: Mapping[str, str]) -> str:
    names = ("ml_class", "ml_performance_metric")[-len(key) :]
    if record.startswith("model:ml_estimate"):
        names = ("bentoml_api_name",)
    pairs = {"ml_reference_id": reference_id, "service_name": "s", **dict(zip(names, key, strict=True)), **also}
    if _window(record):
        pairs["ml_drift_window"] = "1h"
    return "{" + ", ".join(f'{name}="{value}"' for name, value in pairs.items()) + "}"
