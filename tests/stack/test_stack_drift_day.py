"""A day of drift, added up from recorded hours by Prometheus' own promtool, is what the counters of that day say."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bento_observe.stack._assets import collector_dir

pytestmark = pytest.mark.stack

RULES = collector_dir() / "prometheus" / "rules" / "feature_drift.yaml"
HOURS = 28
MINUTES = 60 * HOURS - 1
ORDER = ("feature_reference", "feature_drift_1h", "feature_drift_ks_1h", "feature_drift_24h", "feature_drift_ks_24h")
OF = 'service_name="s", ml_signal="input", ml_feature_name="x", bentoml_api_name="a", ml_reference_id="r"'
BINS, BUCKETS = ("00", "01"), ("1", "2", "+Inf")


def _counter(name: str, worker: str, values: str, **labels: str) -> dict[str, str]:
    told = "".join(f', {key}="{value}"' for key, value in labels.items())
    return {"series": f'{name}{{{OF}, service_instance_id="{worker}"{told}}}', "values": values}


def _worker(worker: str, hours: range) -> list[dict[str, str]]:
    """What it counts in these hours, in each at another rate: an hour left out, or in twice, is not made up for."""
    random = np.random.default_rng(len(hours))
    rates = np.repeat(random.integers(0, 21, len(hours)), 60)
    missed = np.repeat(random.integers(0, 5, len(hours)), 60)

    def values(a_minute: np.ndarray) -> str:
        known = " ".join(map(str, np.cumsum(a_minute).tolist()))
        begin, end = 60 * hours.start, 60 * (HOURS - hours.stop)
        return " ".join([*([f"_x{begin}"] if begin else []), known, *([f"_x{end}"] if end else [])])

    counters: list[tuple[str, np.ndarray, dict[str, str]]] = [
        *(
            ("ml_feature_bin_total", rates * part, {"ml_feature_bin": one})
            for one, part in zip(BINS, (1, 2), strict=True)
        ),
        *(("ml_feature_value_bucket", rates * part, {"le": le}) for le, part in zip(BUCKETS, (1, 2, 3), strict=True)),
        ("ml_feature_missing_total", missed, {}),
        ("ml_feature_invalid_total", missed, {"reason": "infinite"}),
        ("ml_feature_out_of_range_total", missed, {}),
    ]
    return [_counter(name, worker, values(rate), **labels) for name, rate, labels in counters]


def _reference() -> list[dict[str, str]]:
    every = f"x{MINUTES}"
    found = [_counter("ml_feature_reference_ratio", "a", f"0.5{every}", ml_feature_bin=bin_) for bin_ in BINS]
    found += [_counter("ml_feature_reference_value_bucket", "a", f"{count}{every}", le=le)
              for le, count in zip(BUCKETS, (200, 600, 1000), strict=True)]  # fmt: skip
    found.append(_counter("ml_feature_reference_count", "a", f"1000{every}"))
    found += [_counter("ml_feature_drift_quantile_ratio", "a", f"10{every}", ml_drift_method=method)
              for method in ("psi", "js", "ks")]  # fmt: skip
    return found


def test_a_day_of_two_workers_one_of_which_took_the_others_place(promtool: Path, tmp_path: Path) -> None:
    """By bin, by bucket, missing, unreadable and outside: as much as increase() over the day says, to 1 %."""
    series = [*_worker("a", range(15)), *_worker("b", range(15, HOURS)), *_reference()]
    recorded = {
        "feature_bin:ml_feature_bin:increase24h": ("ml_feature_bin", "ml_feature_bin_total", len(BINS)),
        "feature_le:ml_feature_value:increase24h": ("le", "ml_feature_value_bucket", len(BUCKETS)),
        "feature:ml_feature_missing:increase24h": ("ml_feature_name", "ml_feature_missing_total", 1),
        "feature:ml_feature_invalid:increase24h": ("ml_feature_name", "ml_feature_invalid_total", 1),
        "feature:ml_feature_outside:increase24h": ("ml_feature_name", "ml_feature_out_of_range_total", 1),
    }  # fmt: skip
    checks: list[dict[str, Any]] = []
    for record, (by, counter, count) in recorded.items():
        whole = f"sum by ({by}) (increase({counter}[24h]))"
        near = f"abs(sum by ({by}) ({record}) / {whole} - 1) < 0.01"
        for minute in (60 * HOURS - 180, 60 * HOURS - 8):
            checks.append(_check(f"count({near})", minute, count))
    share = 'feature:ml_feature_drift:pooled{ml_drift_method="ks", ml_drift_window="24h"}'
    trained = "sum by (le) (ml_feature_reference_value_bucket) / 1000"
    whole = 'scalar(sum(increase(ml_feature_value_bucket{le="+Inf"}[24h])))'
    distance = f"max(abs(sum by (le) (increase(ml_feature_value_bucket[24h])) / {whole} - {trained}))"
    checks.append(_check(f"count(abs(sum({share}) - {distance}) < 0.002)", 60 * HOURS - 8, 1))
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "4m",
        "group_eval_order": list(ORDER),
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": checks}],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    run = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def _check(expression: str, minute: int, value: float) -> dict[str, Any]:
    return {"expr": expression, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": value}]}
