"""The rules of model performance ask for what is sent, and their figures are scikit-learn's."""

from __future__ import annotations

import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from labelled import Labelled
from sklearn import metrics

from bento_observe import semconv
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._token import Predictions
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.semconv import Kind
from bento_observe.stack._assets import collector_dir

PROMETHEUS = collector_dir() / "prometheus"
COMMITTED = (PROMETHEUS / "rules" / "model_performance.yaml").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(COMMITTED)["groups"] for rule in group["rules"]]
pytestmark = pytest.mark.stack

CLASSES = {
    3: ("a", "b", "c"),
    2: ("0", "1", "false", "true"),  # of labels that are numbers and predictions that are truth values
}


def test_the_committed_rules_are_what_the_script_writes() -> None:
    """A change of a name or of the boundaries that forgot the rules is found here; those of the demonstration, too."""
    script = runpy.run_path(str(PROMETHEUS / "performance.py"))
    assert script["document"]() == COMMITTED
    demo = (PROMETHEUS / "demo" / "model_performance.yaml").read_text(encoding="utf-8")
    assert script["document"](script["DEMO_WINDOWS"]) == demo


def test_rules_ask_only_for_metrics_that_are_sent_or_recorded() -> None:
    """A name that nobody sends has no series, which nobody would notice."""
    known = {rule["record"] for rule in RULES}
    for metric in semconv.METRICS:
        name = metric_name(metric)
        known |= {f"{name}_bucket", f"{name}_count"} if metric.kind is Kind.HISTOGRAM else {name}
    attributes = {attribute for metric in semconv.METRICS for attribute in metric.attributes}
    attributes |= {semconv.ML_CLASS, semconv.ML_PERFORMANCE_METRIC, semconv.ML_PERFORMANCE_WINDOW}
    labels = {label_name(attribute) for attribute in attributes}
    for rule in RULES:
        asked = set(re.findall(r"\b(?:\w+:)?ml_\w+(?::\w+)?", rule["expr"])) - labels
        assert asked <= known, rule


def _series(worker: str, predictions: Predictions, labels: list[Any]) -> Iterator[tuple[str, float]]:
    """What Prometheus has of one worker: series, and what it rises to from 0."""
    known = CLASSES.get(predictions.of, ())
    labelled = Labelled(worker, Classes(known, known))
    labelled.match("values" if len(predictions.values) else f"classes{predictions.of}", predictions, labels)
    return labelled.series()


def _expected() -> tuple[list[tuple[str, float]], dict[tuple[str, str], tuple[float, float]]]:
    """The series of two workers, and by API and figure what scikit-learn says, and how far off it may be."""
    random = np.random.default_rng(4)
    true = random.choice(["a", "b", "c"], 4000, p=[0.7, 0.25, 0.05])
    predicted = np.where(random.random(4000) < 0.8, true, "a")
    scores = 1 / (1 + np.exp(-random.normal(-1, 2, 4000)))
    event = random.random(4000) < scores
    values, noise = random.normal(3, 2, 4000), random.normal(0.2, 1, 4000)
    series: list[tuple[str, float]] = []
    for worker, rows in (("one", slice(1500)), ("two", slice(1500, None))):
        series += _series(worker, Predictions(predicted[rows].tolist(), of=3), true[rows].tolist())
        names = np.where(scores[rows] > 0.5, "true", "false").tolist()
        sure = np.maximum(scores[rows], 1 - scores[rows]).tolist()
        series += _series(worker, Predictions(names, confidence=sure, of=2), event[rows].astype(int).tolist())
        series += _series(worker, Predictions(values=(values + noise)[rows].tolist()), values[rows].tolist())
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(true, predicted, zero_division=0)
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], scores)
    gaps = [abs(event[bins == one].sum() - scores[bins == one].sum()) for one in range(10)]
    exact = 1e-9
    return series, {
        ("classes3", "accuracy"): (metrics.accuracy_score(true, predicted), exact),
        ("classes3", "precision_macro"): (precision.mean(), exact),
        ("classes3", "recall_macro"): (recall.mean(), exact),
        ("classes3", "f1_macro"): (f1.mean(), exact),
        ("classes3", "f1_weighted"): (metrics.f1_score(true, predicted, average="weighted"), exact),
        ("classes2", "f1_macro"): (metrics.f1_score(event, scores > 0.5, average="macro"), exact),
        ("classes2", "recall_macro"): (metrics.recall_score(event, scores > 0.5, average="macro"), exact),
        ("classes2", "auc"): (metrics.roc_auc_score(event, scores), 0.002),
        ("classes2", "brier"): (metrics.brier_score_loss(event, scores), exact),
        ("classes2", "log_loss"): (metrics.log_loss(event, scores), exact),
        ("classes2", "ece"): (sum(gaps) / 4000, exact),
        ("values", "mae"): (metrics.mean_absolute_error(values, values + noise), exact),
        ("values", "rmse"): (metrics.root_mean_squared_error(values, values + noise), exact),
        ("values", "bias"): (noise.mean(), exact),
        ("values", "r2"): (metrics.r2_score(values, values + noise), exact),
    }


def _write_rules(directory: Path, *groups: str) -> None:
    """Some of the groups, evaluated as often as all others."""
    chosen = [{**group, "interval": "1m"} for group in yaml.safe_load(COMMITTED)["groups"] if group["name"] in groups]
    assert len(chosen) == len(groups)
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": chosen}), encoding="utf-8")


def test_prometheus_makes_scikit_learns_figures_of_the_sums_of_two_workers(promtool: Path, tmp_path: Path) -> None:
    """All that is counted to 1e-9, the area under the curve to 0.002; evaluated by Prometheus' own promtool."""
    series, expected = _expected()
    _write_rules(tmp_path, "model_score_bounds", "model_performance_1h")
    tests = []
    for (api, metric), (value, margin) in expected.items():
        figure = (
            f'model:ml_model_performance:pooled{{bentoml_api_name="{api}", ml_performance_metric="{metric}", '
            'ml_performance_window="1h"}'
        )
        tests.append(
            {
                "expr": f"count(abs({figure} - {float(value)!r}) < {margin!r})",
                "eval_time": "30m",
                "exp_samples": [{"labels": "{}", "value": 1}],
            }
        )
    document = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": f"0x9 {float(value)!r}x30"} for name, value in series],
                "promql_expr_test": tests,
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    result = subprocess.run(
        [str(promtool), "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
