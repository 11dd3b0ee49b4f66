"""docs/feature-statistics.md says what is so: its code runs and prints that, its names exist, its claims hold."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bento_observe import FeatureStatistics, Reference, semconv
from bento_observe.features import Group, Snapshot, encode
from bento_observe.features.drift import METHODS, measure
from bento_observe.features.reference import BadReferenceError, SignalReference
from bento_observe.prometheus_names import label_name, metric_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "feature-statistics.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
MARK = "-- the next snippet --"
TRAINING_ROWS, FEATURES = 10_000, 20


def script() -> tuple[str, list[str | None]]:
    """All Python and shell snippets of the page as one program, and what each is said to print."""
    parts, expected = [], []
    for language, code, output in BLOCKS.findall(PAGE):
        if language == "sh":
            code = "".join(f"import sys; sys.argv = {line.split()!r}\nmain(standalone_mode=False)\n"
                           for line in code.splitlines())  # fmt: skip
        if language in ("python", "sh"):
            parts.append(code)
            expected.append(output or None)
    return "from bento_observe.cli import main\n" + f"print({MARK!r})\n".join(parts), expected


def test_every_snippet_runs_and_prints_what_the_page_says(tmp_path: Path) -> None:
    code, expected = script()
    (tmp_path / "page.py").write_text(code, encoding="utf-8")
    env = {**os.environ, "BENTOML_HOME": str(tmp_path / "bentoml"), "PYTHONWARNINGS": "error::FutureWarning"}
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(f"{MARK}\n")
    assert len(printed) == len(expected) >= 8
    assert sum(one is not None for one in expected) == 2
    for told, output in zip(expected, printed, strict=True):
        if told is not None:
            assert [line.rstrip() for line in output.splitlines()] == told.splitlines()
    excerpt = re.search(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert excerpt is not None
    amount = Reference.load(tmp_path / "fraud.reference.json").features["amount"]
    numbers = re.findall(r'"(\w+)": (-?[\d.]+)', excerpt[1])
    assert len(numbers) == 8
    for name, number in numbers:
        assert getattr(amount, name) == pytest.approx(float(number), rel=1e-5)


def test_the_page_names_every_feature_metric_and_none_that_does_not_exist() -> None:
    """As Prometheus has them, histograms with the suffixes of their series; and the labels and rules that it uses."""
    metrics = {metric_name(metric): metric for metric in semconv.METRICS}
    known = {label_name(key) for metric in semconv.METRICS for key in metric.attributes} | set(metrics)
    for name, metric in metrics.items():
        if metric.kind is semconv.Kind.HISTOGRAM:
            known |= {f"{name}_bucket", f"{name}_count"}
    used = set(re.findall(r"(?<![\w/:.])((?:ml|bentoml|bento_observe)_[a-z_]+)(?![\w/:])", PAGE))
    assert used <= known
    for name in metrics:
        if name.startswith("ml_feature"):
            assert {name, f"{name}_bucket"} & used, name
    rules = (ROOT / "collector" / "prometheus" / "rules" / "feature_drift.yaml").read_text(encoding="utf-8")
    recorded = set(re.findall(r"record: (\S+)", rules))
    assert set(re.findall(r"`(feature:[\w:]+)", PAGE)) <= recorded
    assert "feature:ml_feature_drift:drifted" in PAGE


def test_dotted_names_and_pictures_exist() -> None:
    dotted = {key for metric in semconv.METRICS for key in (metric.name, *metric.attributes)}
    assert set(re.findall(r"`(ml\.[a-z_.]+)`", PAGE)) <= dotted
    pictures = re.findall(r"!\[[^]]+\]\((plots/[\w-]+\.svg)\)", PAGE)
    assert len(pictures) == 4
    for picture in pictures:
        assert (ROOT / "docs" / picture).read_bytes().startswith(b"<?xml")


def counted(signal: SignalReference, data: object) -> Snapshot:
    statistics = FeatureStatistics(signal)
    statistics.update(data)
    return statistics.snapshot()


def series(frame: pd.DataFrame, *, known: bool = True, describe: bool = False, detail: bool = True) -> int:
    """How many series Prometheus makes of one collection of one worker, over two windows."""
    signal = Reference.from_frame(frame).signals["input"] if known else None
    statistics = FeatureStatistics(signal)
    statistics.update(frame)
    snapshot = statistics.snapshot()
    measures = {name: measure(signal, snapshot) for name in ("1h", "24h")} if signal is not None else {}
    group = Group({}, snapshot, signal, measures, describe=describe, detail=detail)
    total = 0
    for metric in encode([group], 0, 1, 2):
        points = getattr(metric, metric.WhichOneof("data")).data_points
        explicit = metric.WhichOneof("data") == "histogram"
        total += sum(len(point.bucket_counts) + 1 if explicit else 1 for point in points)
    return total


def test_a_feature_costs_as_many_series_as_the_page_says() -> None:
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=5000)})
    told = dict(
        re.findall(r"^\| (without reference|with a ref|… the first|in a slice)[^|]*\| (\d+)", PAGE, re.MULTILINE)
    )
    assert {name: int(count) for name, count in told.items()} == {
        "without reference": series(frame, known=False),
        "with a ref": series(frame),
        "… the first": series(frame, describe=True),
        "in a slice": series(frame, detail=False),
    }


def normal(rng: np.random.Generator, rows: int = 2000) -> np.ndarray:
    return rng.normal(size=(rows, FEATURES))


def whole(rng: np.random.Generator, rows: int = 2000) -> np.ndarray:
    return rng.integers(1, 6, size=(rows, FEATURES)).astype(float)


def humps(rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-0.9, 0.9], (2000, FEATURES)) + np.sqrt(1 - 0.81) * normal(rng)


def between(rng: np.random.Generator) -> np.ndarray:
    rows = whole(rng)
    return np.where(rows > 1, rows - 0.4, rows)


def first(rows: np.ndarray, count: int, value: object) -> np.ndarray:
    rows[:count] = value
    return rows


def letters(rng: np.random.Generator, rows: int = 2000) -> np.ndarray:
    return rng.choice(list("abcde"), (rows, FEATURES), p=[0.4, 0.3, 0.15, 0.1, 0.05]).astype(object)


Draw = Callable[[np.random.Generator], Any]
NUMBERS: dict[str, Draw] = {
    "shift by 0.3 sd": lambda rng: normal(rng) + 0.3,
    "spread times 1.3": lambda rng: normal(rng) * 1.3,
    "two humps, same mean and variance": humps,
    "rounded to whole numbers": lambda rng: np.round(normal(rng)),
    "5 % stuck at the median": lambda rng: first(normal(rng), 100, 0.0),
    "1 % far too large": lambda rng: first(normal(rng), 20, 50.0),
    "1 % far outside, on both sides": lambda rng: first(first(normal(rng), 20, 50.0), 10, -50.0),
    "30 % missing": lambda rng: first(normal(rng), 600, np.nan),
}
WHOLE: dict[str, Draw] = {"between the few values of training": between}
LETTERS: dict[str, Draw] = {
    "two categories swapped": lambda rng: np.select(
        [(rows := letters(rng)) == "a", rows == "b"], ["b", "a"], rows
    ).astype(object),
    "1 % unseen categories": lambda rng: first(letters(rng), 20, "new"),
}
CHANGES = {
    name: (training, change)
    for training, changes in ((normal, NUMBERS), (whole, WHOLE), (letters, LETTERS))
    for name, change in changes.items()
}


def found(change: str) -> dict[str, float]:
    """By method the share of features that it calls drifted; only those that apply."""
    training, draw = CHANGES[change]
    rng = np.random.default_rng(1)
    signal = Reference.from_frame(pd.DataFrame(training(rng, TRAINING_ROWS)).infer_objects()).signals["input"]
    measures = measure(signal, counted(signal, pd.DataFrame(draw(rng)).infer_objects()))
    return {
        method: float(measures.verdict(method).drifted.mean())
        for method in METHODS
        if not np.isnan(measures.values[method]).all()
    }


def test_every_row_of_the_table_of_blind_spots_is_so() -> None:
    head = re.search(r"^\| change.*$", PAGE, re.MULTILINE)
    assert head is not None
    methods = re.findall(r"`(\w+)`", head[0])
    assert sorted(methods) == sorted(METHODS)
    rows = re.findall(r"^\| ([^|]+) \|((?: [●◐○–] \|){7})", PAGE, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(CHANGES)
    for name, cells in rows:
        shares = found(name)
        for method, cell in zip(methods, re.findall(r"[●◐○–]", cells), strict=True):
            share = shares.get(method)
            expected = "–" if share is None else "●" if share >= 0.9 else "○" if share <= 0.1 else "◐"
            assert cell == expected, (name, method, share)


def autocorrelated(rng: np.random.Generator, rho: float, rows: int = 1000, features: int = 100) -> np.ndarray:
    noise = rng.normal(size=(rows + 200, features))
    for row in range(1, rows + 200):
        noise[row] = rho * noise[row - 1] + np.sqrt(1 - rho * rho) * noise[row]
    return noise[200:]


@pytest.mark.parametrize(("rho", "told"), [(0.9, "47 %"), (0.97, "90 %")])
def test_dependent_rows_break_critical_values_as_told(rho: float, told: str) -> None:
    rng = np.random.default_rng(2)
    signal = Reference.from_frame(rng.normal(size=(TRAINING_ROWS, 100))).signals["input"]
    shares = [
        measure(signal, counted(signal, autocorrelated(rng, rho))).verdict("psi").drifted.mean() for _ in range(10)
    ]
    assert told in PAGE
    assert np.mean(shares) == pytest.approx(float(told.split()[0]) / 100, abs=0.05)


def test_variance_ratio_is_as_unreliable_as_told() -> None:
    """Alarms in windows of a hundred features that did not drift: lognormal more than half, Laplace hardly any."""
    rng = np.random.default_rng(3)
    alarms = {}
    for name in ("lognormal", "laplace"):
        draw = getattr(rng, name)
        signal = Reference.from_frame(draw(size=(TRAINING_ROWS, 100))).signals["input"]
        windows = [measure(signal, counted(signal, draw(size=(1000, 100)))) for _ in range(60)]
        alarms[name] = np.mean([one.verdict("variance_ratio").drifted.any() for one in windows])
    assert alarms["lognormal"] > 0.5
    assert alarms["laplace"] <= 0.08


@pytest.mark.parametrize(("rows", "told"), [(200, 0.054), (10_000, 0.010)])
def test_psi_without_drift_is_as_large_as_told(rows: int, told: float) -> None:
    rng = np.random.default_rng(4)
    signal = Reference.from_frame(rng.normal(size=(rows, 100))).signals["input"]
    assert f"{told:.3f}" in PAGE
    assert measure(signal, counted(signal, rng.normal(size=(1000, 100)))).values["psi"].mean() == pytest.approx(
        told, rel=0.1
    )


def test_the_line_about_a_bad_reference_is_what_load_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Reference.from_frame(pd.DataFrame({"amount": np.arange(100.0)})).save("good.json")
    text = Path("good.json").read_text(encoding="utf-8")
    Path("edges.json").write_text(re.sub(r'"edges": \[([^,]+), ([^,]+)', r'"edges": [\2, \1', text), encoding="utf-8")
    with pytest.raises(BadReferenceError) as caught:
        Reference.load("edges.json")
    assert f"```text\n{caught.value}\n```" in PAGE


def test_the_pictures_show_what_drift_measures() -> None:
    """docs/plots.py without drawing: PSI below its critical value, power that grows, a pool that dilutes."""
    plots = runpy.run_path(str(ROOT / "docs" / "plots.py"))
    buckets = plots["buckets"](rows=5000)
    assert buckets.training.sum() == pytest.approx(1)
    assert buckets.psi > 2 * buckets.critical

    null = plots["null_psi"](sizes=(100, 1000), windows=3)
    assert (null.quantiles[0] > 5 * null.quantiles[1]).all()
    assert (null.quantiles[:, 2] < null.critical).all()

    power = plots["power"]([0.0, 0.4], sizes=(1000,), windows=1)[1000]
    assert power["psi"].tolist() == [0.0, 1.0]
    assert power["variance_ratio"].max() <= 0.01
    assert power["psi > 0.1"][1] > 0.9

    pool = plots["dilution"](replicas=5, rows=2000, shifts=(0.5,))
    psi = pool.psi[0.5]
    assert (np.diff(psi) > 0).all()
    assert psi[1] < pool.critical < psi[-1]


def test_psi_of_the_pictures_is_that_of_drift() -> None:
    plots = runpy.run_path(str(ROOT / "docs" / "plots.py"))
    rng = np.random.default_rng(5)
    signal = Reference.from_frame(rng.normal(size=(5000, 4))).signals["input"]
    snapshot = counted(signal, rng.normal(size=(1000, 4)))
    np.testing.assert_allclose(plots["psi"](signal, snapshot), measure(signal, snapshot).values["psi"])
