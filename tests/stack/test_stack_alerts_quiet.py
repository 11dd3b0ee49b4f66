"""Half an hour of a service that is well tells nobody anything; half an hour of one that is not does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import replayed
import replayed_models

from bento_observe.features.reference import Reference
from bento_observe.stack._assets import collector_dir

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from _estimates import Predicted, predicted
from _estimates import reference as labelled_reference

pytestmark = pytest.mark.stack

WORKERS, MINUTES, ROWS = 4, 30, 80
TRAINING = 5000
DRIFT_AT = 10

Samples = dict[str, list[float | None]]


def _frame(random: np.random.Generator, rows: int) -> pd.DataFrame:
    """30 features of all kinds: symmetric, skewed, counts, few values, categories, some with missing values."""
    columns: dict[str, object] = {}
    for number in range(10):
        columns[f"normal_{number}"] = random.normal(number, 1 + number, rows)
        columns[f"skewed_{number}"] = random.lognormal(number / 5, 0.9, rows)
    for number in range(5):
        columns[f"count_{number}"] = random.poisson(0.5 + 3 * number, rows).astype(float)
        columns[f"category_{number}"] = random.choice(
            [f"value {index}" for index in range(4 + 3 * number)], rows, p=_zipf(4 + 3 * number)
        )
    frame = pd.DataFrame(columns)
    for number in range(5):
        frame.loc[random.random(rows) < 0.02 * number, f"normal_{number}"] = np.nan
    return frame


def _zipf(count: int) -> np.ndarray:
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.from_frame(_frame(np.random.default_rng(1), TRAINING))


@pytest.fixture(scope="module")
def calibrated() -> Reference:
    """Of a classifier of three classes, with held-out predictions."""
    return labelled_reference(predicted(TRAINING, 1, classes=3, shift=2.0))


def _surroundings() -> Samples:
    """What else a service that is well sends: requests, of which some fail or are slow; workers, a busy Collector."""
    minutes = range(MINUTES + 1)
    of = f'service_name="{replayed.SERVICE}", service_instance_id="worker-0"'
    metrics = 'service_name="otelcol", exporter="otlp_http/prometheus"'
    http, stage = "http_server_request_duration_seconds", "bentoml_api_stage_duration_seconds"
    found: Samples = {
        f'{http}_count{{{of}, http_response_status_code="200"}}': [600.0 * minute for minute in minutes],
        f'{http}_count{{{of}, http_response_status_code="500"}}': [2.0 * minute for minute in minutes],
        f'{http}_bucket{{{of}, http_response_status_code="200", le="1"}}': [597.0 * minute for minute in minutes],
        f'{stage}_sum{{{of}, bentoml_api_stage="queue"}}': [3.0 * minute for minute in minutes],
        f'{stage}_count{{{of}, bentoml_api_stage="queue"}}': [600.0 * minute for minute in minutes],
        f'{stage}_sum{{{of}, bentoml_api_stage="predict"}}': [12.0 * minute for minute in minutes],
        f'{stage}_count{{{of}, bentoml_api_stage="predict"}}': [600.0 * minute for minute in minutes],
        'otelcol_process_uptime_seconds_total{service_name="otelcol"}': [60.0 * minute for minute in minutes],
        f'otelcol_exporter_queue_size{{{metrics}, data_type="metrics"}}': [1000.0 for _ in minutes],
        f'otelcol_exporter_queue_capacity{{{metrics}, data_type="metrics"}}': [1e9 for _ in minutes],
        f"otelcol_exporter_sent_metric_points_total{{{metrics}}}": [5000.0 * minute for minute in minutes],
        'otelcol_receiver_refused_spans_total{service_name="otelcol", receiver="otlp"}': [0.0 for _ in minutes],
    }
    for worker in range(WORKERS):
        of = f'service_name="{replayed.SERVICE}", service_instance_id="worker-{worker}"'
        found[f'bento_observe_errors_total{{{of}, reason="inputs"}}'] = [0.0 for _ in minutes]
        found[f"process_memory_usage_bytes{{{of}}}"] = [3e8 for _ in minutes]
        found[f'process_cpu_time_seconds_total{{{of}, cpu_mode="user"}}'] = [15.0 * minute for minute in minutes]
    return found


def _answers(random_of: int, change: int = MINUTES) -> Callable[[int, int], Predicted]:
    """A minute's probabilities and labels; from `change` on the model is unsure of most, and yet wrong in more."""

    def answers(minute: int, worker: int) -> Predicted:
        one = predicted(ROWS, 1000 * random_of + WORKERS * minute + worker, classes=3, shift=2.0 * (minute <= change))
        if minute > change:
            one.labels[: ROWS // 5] = (one.scores[: ROWS // 5].argmax(axis=1) + 1) % 3
        return one

    return answers


def _models(calibrated: Reference, change: int = MINUTES) -> Samples:
    """A classifier and a regression, with labels."""

    def errors(minute: int, worker: int) -> np.ndarray:
        return np.random.default_rng(WORKERS * minute + worker).standard_t(5, ROWS // 4)

    return {
        **replayed_models.classifier(calibrated, _answers(3, change), WORKERS, MINUTES),
        **replayed_models.regression(errors, WORKERS, MINUTES),
    }


def _run(
    promtool: Path, directory: Path, samples: Mapping[str, Sequence[float | None]],
    told: Mapping[int, Sequence[tuple[str, str]]],
) -> None:  # fmt: skip
    rules = sorted((collector_dir() / "prometheus" / "rules").glob("*.yaml"))
    replayed.write(directory / "test.yaml", rules, samples, told)
    run = subprocess.run(
        [promtool, "test", "rules", directory / "test.yaml"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]


def test_half_an_hour_of_normal_traffic_is_told_by_no_alert(
    promtool: Path, reference: Reference, calibrated: Reference, tmp_path: Path
) -> None:
    """30 features, four workers, all alerts, every minute: none fires. The rows are drawn as the training data was.

    Beside them a classifier whose labels come, and are as its probabilities say, and a regression.
    """
    random = np.random.default_rng(2)
    samples = replayed.series(reference, lambda _minute, _worker: _frame(random, ROWS), WORKERS, MINUTES)
    assert sum(name.startswith("ml_feature_bin_total{") for name in samples) > 30 * WORKERS * 3
    models = _models(calibrated)
    recorded = {name.partition("{")[0] for name in models}
    assert {"ml_model_confusion_total", "ml_model_error_total", "ml_estimate_outcomes_total"} <= recorded
    assert {"ml_estimate_errors_total", "ml_concept_drift"} <= recorded
    everything = {**samples, **models, **_surroundings()}
    _run(promtool, tmp_path, everything, {minute: [] for minute in range(MINUTES + 1)})


def test_the_same_with_faults_in_it_is_told_by_the_alerts_of_these_faults(
    promtool: Path, reference: Reference, calibrated: Reference, tmp_path: Path
) -> None:
    """After ten minutes one feature moves, one goes missing, one has new categories, one stands still, one is far off.

    The classifier gets rows of which it is unsure, and labels that its probabilities do not expect. The control of the
    other test: the same rows, rules and minutes find what is wrong, and of the other 25 features and the regression
    nothing. A fall of measured performance shows against a day, which there is none of here.
    """
    random = np.random.default_rng(2)

    def rows(minute: int, _worker: int) -> pd.DataFrame:
        frame = _frame(random, ROWS)
        if minute > DRIFT_AT:
            frame["normal_6"] += 0.6 * 7
            frame.loc[random.random(ROWS) < 0.3, "skewed_3"] = np.nan
            frame.loc[random.random(ROWS) < 0.2, "category_2"] = "a new one"
            frame["normal_8"] = 8.25
            frame.loc[random.random(ROWS) < 0.1, "normal_9"] = 1e6
        return frame

    samples = replayed.series(reference, rows, WORKERS, MINUTES)
    told = [
        ("FeatureDrift", "normal_6"),
        ("FeatureDrift", "normal_8"),
        ("FeatureDrift", "normal_9"),
        ("FeatureDrift", "category_2"),
        ("MissingSurge", "skewed_3"),
        ("UnseenCategorySurge", "category_2"),
        ("OutOfRangeSurge", "normal_9"),
        ("FeatureConstant", "normal_8"),
        ("PredictionDrift", "class"),
        ("PredictionDrift", "confidence"),
        ("PredictionDrift", "entropy"),
        ("EstimatedPerformanceDrop", ""),
        ("ConceptDrift", ""),
    ]
    expected: dict[int, Sequence[tuple[str, str]]] = {minute: [] for minute in range(DRIFT_AT + 1)}
    everything = {**samples, **_models(calibrated, DRIFT_AT), **_surroundings()}
    _run(promtool, tmp_path, everything, {**expected, MINUTES: told})
