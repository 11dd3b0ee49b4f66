"""What panels show is so: their queries over series that are written down, evaluated by Prometheus' own promtool."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboards_evaluated import Check, evaluate, newest, query

pytest.importorskip("grafana_foundation_sdk")

pytestmark = pytest.mark.stack

_ALERT = '{{about="{about}", alertname="{name}", alertstate="{state}", severity="page"}}'
_COLLECTOR = {'otelcol_process_uptime_seconds_total{service_name="otelcol"}': "0+60x200"}


def test_alerts_that_fire_are_listed(promtool: Path, tmp_path: Path) -> None:
    """Of the service that is chosen, as Prometheus has them of its own rules: pending, then firing, and since when."""
    alive = 'process_memory_usage_bytes{{service_name="{}",service_instance_id="a"}}'
    series = {alive.format("S"): "1x60 _x100", alive.format("T"): "1x160", **_COLLECTOR}
    of_s, of_t = ({ref: query("model", "Alerts", ref, service=service) for ref in "AB"} for service in "ST")
    down = {state: _ALERT.format(about="service", name="ServiceDown", state=state) for state in ("pending", "firing")}
    checks = [
        Check(60, of_s["B"], {}),
        Check(63, of_s["B"], {down["pending"]: 1}),
        Check(70, of_s["B"], {down["firing"]: 1}),
        Check(70, of_s["A"], {down["firing"]: 1000 * 60 * 63}),
        Check(70, of_t["B"], {}),
        Check(70, query("telemetry", "Alerts on telemetry", "B", service="S"), {}),
    ]
    assert evaluate(promtool, tmp_path, series, checks, ["alerts.yaml"]) == ""


def test_alerts_on_what_all_services_need_are_listed_with_each(promtool: Path, tmp_path: Path) -> None:
    """That there is no Collector is no service's, and is told on both boards."""
    series = {
        'process_memory_usage_bytes{service_name="S",service_instance_id="a"}': "1x120",
        'otelcol_process_uptime_seconds_total{service_name="otelcol"}': "0+60x60 _x60",
    }
    gone = _ALERT.format(about="telemetry", name="CollectorDown", state="firing")
    of_telemetry = query("telemetry", "Alerts on telemetry", "B", service="S")
    checks = [
        Check(60, of_telemetry, {}),
        Check(75, of_telemetry, {gone.replace('about="telemetry", ', ""): 1}),
        Check(75, query("model", "Alerts", "B", service="S"), {gone: 1}),
    ]
    assert evaluate(promtool, tmp_path, series, checks, ["alerts.yaml"]) == ""


def test_a_failure_counts_from_the_first_one_on(promtool: Path, tmp_path: Path) -> None:
    """Of counters that begin with it; it is over when the window is, and what was away for a while is no news."""
    failed = 'otelcol_exporter_send_failed_spans_total{{service_name="otelcol",exporter="{}"}}'
    dropped = 'bento_observe_dropped_total{service_name="S",service_instance_id="a",signal="spans",reason="queue_full"}'
    series = {
        failed.format("x"): "_x30 5x20 8x60",
        failed.format("y"): "100x30 _x10 100x70",
        dropped: "_x30 5000x120",
    }
    sent = query("telemetry", "Failed to send", service="S")
    lost = query("telemetry", "Dropped in the last hour", service="S")
    checks = [
        Check(31, sent, {'{exporter="x"}': 5, '{exporter="y"}': 0}),
        Check(33, sent, {'{exporter="x"}': 5}),
        Check(43, sent, {'{exporter="x"}': 0, '{exporter="y"}': 0}),
        Check(53, f"{sent} > bool 2.9", {'{exporter="x"}': 1, '{exporter="y"}': 0}),
        Check(32, lost, {"{}": 5000}),
        Check(80, lost, {"{}": 5000}),
        Check(95, lost, {"{}": 0}),
    ]
    assert evaluate(promtool, tmp_path, series, checks) == ""


def test_dropped_telemetry_is_listed_where_telemetry_is(promtool: Path, tmp_path: Path) -> None:
    """What was dropped, and why; of this service alone."""
    series = {
        'bento_observe_dropped_total{service_name="S",service_instance_id="a",signal="features",reason="columns"}': (
            "0x30 4x30"
        ),
    }
    found = (
        '{alertname="TelemetryDropped", alertstate="firing", severity="ticket", service_name="S", signal="features", '
        'reason="columns"}'
    )
    checks = [
        Check(35, query("telemetry", "Alerts on telemetry", "B", service="S"), {found: 1}),
        Check(35, query("telemetry", "Alerts on telemetry", "B", service="T"), {}),
    ]
    assert evaluate(promtool, tmp_path, series | _COLLECTOR, checks, ["alerts.yaml"]) == ""


_FEATURE = {"service": "S", "signal": "input", "feature": "x"}


def _feature(
    reference: str, instance: str, bounds: tuple[int, int], samples: str, signal: str = "input"
) -> dict[str, str]:
    """A worker that counts so many values a minute, all between these bounds, where its training data was, too."""
    labels = (
        f'service_name="S",bentoml_api_name="p",ml_signal="{signal}",ml_feature_name="x",'
        f'ml_reference_id="{reference}",service_instance_id="{instance}"'
    )
    low, high = bounds
    rising, same = samples, samples.replace("0+50", "7")
    return {
        f'ml_feature_value_bucket{{{labels},le="{low}"}}': samples.replace("0+50", "0"),
        f'ml_feature_value_bucket{{{labels},le="{high}"}}': rising,
        f'ml_feature_value_bucket{{{labels},le="+Inf"}}': rising,
        f"ml_feature_value_count{{{labels}}}": rising,
        f'ml_feature_reference_value_bucket{{{labels},le="{low}"}}': samples.replace("0+50", "0"),
        f'ml_feature_reference_value_bucket{{{labels},le="{high}"}}': same,
        f'ml_feature_reference_value_bucket{{{labels},le="+Inf"}}': same,
        f"ml_feature_reference_mean{{{labels}}}": samples.replace("0+50", str((low + high) // 2)),
        f'ml_feature_deviation_total{{{labels},ml_deviation_side="above"}}': rising,
        f'ml_feature_deviation_total{{{labels},ml_deviation_side="below"}}': rising,
        f"ml_feature_missing_total{{{labels}}}": samples.replace("0+50", "0"),
    }


def _changed(signal: str = "input") -> dict[str, str]:
    """Half an hour before the end another reference came with another worker; ten minutes later the old one ended."""
    return _feature("A", "a", (0, 10), "0+50x100 _x20", signal) | _feature("B", "b", (100, 200), "_x90 0+50x30", signal)


def test_a_feature_is_shown_of_its_newest_reference(promtool: Path, tmp_path: Path) -> None:
    """While the window reaches back to another: the mean is that of its values, and so are the bars."""
    of_b = {**_FEATURE, "reference": "B"}
    checks = [
        Check(120, f"topk(1, {newest('feature', **_FEATURE)}) > bool 0", {'{ml_reference_id="B"}': 1}),
        Check(80, f"topk(1, {newest('feature', **_FEATURE)}) > bool -1", {'{ml_reference_id="A"}': 1}),
        # With less than a minute shown there is none of those within it.
        Check(
            119.75, newest("feature", **_FEATURE).replace("[6h:", "[30s:") + " > bool 0", {'{ml_reference_id="B"}': 1}
        ),
        Check(120, query("feature", "Mean", **of_b), {"{}": 150}),
        Check(120, query("feature", "Mean", **{**of_b, "reference": "A"}), {}),
        *(Check(120, query("feature", "Histogram now and in training", ref, **of_b), _bars(100, 200)) for ref in "AB"),
    ]
    assert evaluate(promtool, tmp_path, _changed(), checks) == ""


def _bars(low: int, high: int) -> dict[str, float]:
    return {f'{{le="{low}"}}': 0, f'{{le="{high}"}}': 1, '{le="+Inf"}': 1}


def test_predictions_of_two_references_are_not_added_up(promtool: Path, tmp_path: Path) -> None:
    """Of all references: bars and quantiles are of that with the most values, now and in training, of those in use."""
    series = _changed("prediction")
    checks = [
        *(Check(120, query("model", "Predicted values", ref, service="S"), _bars(100, 200)) for ref in "AB"),
        *(Check(100, query("model", "Predicted values", ref, service="S"), _bars(0, 10)) for ref in "AB"),
        Check(80, query("predictions", "Predicted values", "B", service="S"), {"{}": 5}),
        Check(120, query("predictions", "Predicted values", "B", service="S"), {"{}": 150}),
    ]
    assert evaluate(promtool, tmp_path, series, checks) == ""


def test_accuracy_is_of_all_pairs_together(promtool: Path, tmp_path: Path) -> None:
    """90 of 100 right of one version and 3 of 900 of another; each is a line of its own."""
    confused = (
        "model_class:ml_model_confusion:increase1h"
        '{{service_name="S",bentoml_api_name="p",ml_model_version="{}",ml_prediction_class="x",'
        'ml_label_class="{}",ml_prediction_correct="{}"}}'
    )
    figure = (
        'model:ml_model_performance:pooled{{service_name="S",bentoml_api_name="p",ml_model_version="{}",'
        'ml_score_event="x",ml_performance_metric="ece",ml_performance_window="1h"}}'
    )
    series = {
        confused.format("1", "x", "true"): "90x30",
        confused.format("1", "y", "false"): "10x30",
        confused.format("2", "x", "true"): "3x30",
        confused.format("2", "y", "false"): "897x30",
        figure.format("1"): "0.1x30",
        figure.format("2"): "0.7x30",
    }
    of_version = '{{bentoml_api_name="p", ml_model_version="{}", ml_score_event="x"}}'
    checks = [
        Check(10, query("model", "Accuracy", service="S"), {"{}": 0.093}),
        Check(10, query("model", "Accuracy", service="S", model_version="1"), {"{}": 0.9}),
        Check(
            10, query("predictions", "Calibration and scores", service="S"),
            {of_version.format("1"): 0.1, of_version.format("2"): 0.7},
        ),
    ]  # fmt: skip
    assert evaluate(promtool, tmp_path, series, checks) == ""


def test_accuracy_is_none_where_all_is_wrong(promtool: Path, tmp_path: Path) -> None:
    """No pair is right, so there is no series of such: 0, not 'no data yet'."""
    series = {
        'model_class:ml_model_confusion:increase1h{service_name="S",bentoml_api_name="p",ml_prediction_class="x",'
        'ml_label_class="y",ml_prediction_correct="false"}': "10x30"
    }
    checks = [Check(10, query("model", "Accuracy", service="S"), {"{}": 0})]
    assert evaluate(promtool, tmp_path, series, checks) == ""


def test_expected_accuracy_is_of_all_predictions_together(promtool: Path, tmp_path: Path) -> None:
    """As the measured one beside it: 900 predictions of an API count more than 100 of another."""
    key = 'service_name="S",ml_signal="prediction",ml_reference_id="r",bentoml_api_name="{}"'
    metric = ',ml_performance_metric="accuracy"'
    series = {}
    for api, value, tested, count in (("p", 0.9, 0.95, 900), ("q", 0.5, 0.55, 100)):
        of_api = key.format(api)
        series[f'model:ml_performance_estimate:pooled{{{of_api}{metric},ml_drift_window="1h"}}'] = f"{value}x30"
        series[f"model:ml_performance_reference:avg{{{of_api}{metric}}}"] = f"{tested}x30"
        series[f'class:ml_estimate_predictions:increase1h{{{of_api},ml_class="x"}}'] = f"{count}x30"
    checks = [
        Check(10, query("model", "Expected accuracy", service="S"), {"{}": 0.86}),
        Check(10, query("model", "Accuracy as tested", service="S"), {"{}": 0.91}),
    ]
    assert evaluate(promtool, tmp_path, series, checks) == ""
