"""Services with a reference: what of it, of drift and of slices leaves a real `bentoml serve`; and bad references."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from server import SERVICES, BentoServer
from sink import Sink
from traffic import Answer, Request, send_all

from bento_observe import FeatureStatistics, Reference, drift

FAST = {"OTEL_METRIC_EXPORT_INTERVAL": "300", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}
COUNTRIES = ["CH", "DE", "FR"]


def loans(rows: int, seed: int, richer: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    country = rng.choice(COUNTRIES, rows, p=[0.5, 0.3, 0.2])
    income = rng.lognormal(8, 0.5, rows) * richer
    return pd.DataFrame({"income": income, "debt": rng.lognormal(7, 1, rows), "country": country})


@pytest.fixture(scope="module")
def handlers() -> Any:
    """The service's own transformation, without importing the service."""
    source = (SERVICES / "loans.py").read_text()
    wanted = re.findall(r"^def \w+.*?(?=^\n\n|\Z)", source, re.S | re.M)
    space: dict[str, Any] = {"np": np, "pd": pd}
    for function in wanted:
        exec(function.split("\n\n\n")[0], space)
    return space


@pytest.fixture(scope="module")
def reference(handlers: Any) -> Reference:
    training = loans(5000, 1)
    features = handlers["transformed"](training)
    outcome = handlers["probabilities"](features)
    return Reference.from_frame(
        training,
        features=pd.DataFrame(features, columns=["log_income", "debt_ratio"]),
        prediction=outcome,
        label=pd.Series(np.where(outcome[:, 1] > 0.5, "default", "repaid"), name="value"),
        slices=["country"],
    )


def batch(frame: pd.DataFrame) -> Request:
    return Request("batch", "/decide", json.dumps({"loans": frame.to_dict("records")}).encode(), rows=len(frame))


def one(row: dict[str, Any]) -> Request:
    return Request("one", "/decide_one", json.dumps({"loan": row}).encode(), rows=1)


@pytest.fixture(scope="module")
def served(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sink, list[Answer]]]:
    """Two workers that have answered 3,000 rows in batches and 60 alone, of richer people, some from elsewhere."""
    path = tmp_path_factory.mktemp("reference") / "loans.json"
    reference.save(path)
    rows = loans(3000, 2, richer=1.4)
    rows.loc[:99, "country"] = "AT"
    single = loans(60, 3).astype(object)
    single.loc[:9, "country"] = None
    requests = [batch(rows[start : start + 60]) for start in range(0, 3000, 60)]
    requests += [one(row) for row in single.to_dict("records")]
    requests.append(Request("labels", "/feedback", b'{"outcomes": ["repaid", "default", "repaid", "stolen"]}'))
    with Sink() as sink:
        env = {**FAST, **sink.environment(), "TEST_REFERENCE": str(path)}
        with BentoServer("loans:Lender", env, workers=2) as server:
            answers = send_all(server.port, requests)
            server.stop()
        yield sink, answers


def test_every_signal_is_counted_against_its_own_part_of_the_reference(
    served: tuple[Sink, list[Answer]], reference: Reference
) -> None:
    """Raw inputs, transformed features, probabilities, labels: rows in, as many counted, in the reference's edges."""
    sink, answers = served
    assert {answer.status for answer in answers} == {200}
    for signal, feature, rows in (
        ("input", "income", 3000), ("feature", "log_income", 3000), ("feature", "debt_ratio", 3000),
        ("prediction", "confidence", 3000), ("prediction", "entropy", 3000),
    ):  # fmt: skip
        points = sink.last(
            "ml.feature.value", ml__signal=signal, ml__feature__name=feature, bentoml__api__name="decide"
        )
        points = [point for point in points if "ml.slice.name" not in point.attributes]
        assert sum(point.count for point in points) == rows, (signal, feature)
        assert {point.attributes["ml.reference.id"] for point in points} == {reference.id}
        edges = reference.signals[signal].edges[feature]
        assert all(list(point.bounds) == edges.tolist() for point in points)
    labels = sink.last("ml.feature.category", ml__signal="label", ml__feature__name="value")
    totals: dict[str, float] = {}
    for point in labels:
        name = point.attributes["ml.feature.category"]
        totals[name] = totals.get(name, 0) + point.value
    assert {name: total for name, total in totals.items() if total} == {"repaid": 2, "default": 1, "__unseen__": 1}


def test_unseen_and_missing_categories_are_told_apart(served: tuple[Sink, list[Answer]]) -> None:
    """AT was not in training; None is missing; other names than the reference's never leave."""
    sink, _ = served
    points = [point for point in sink.points(metric="ml.feature.category") if point.attributes["ml.signal"] == "input"]
    assert {point.attributes["ml.feature.category"] for point in points} == {
        *COUNTRIES, "__other__", "__unseen__", "__missing__",
    }  # fmt: skip

    def total(api: str, category: str) -> float:
        return sink.value(
            "ml.feature.category", ml__signal="input", bentoml__api__name=api, ml__feature__category=category
        )

    assert (total("decide", "__unseen__"), total("decide_one", "__missing__")) == (100, 10)
    assert sum(total("decide", name) for name in (*COUNTRIES, "__unseen__")) == 3000


def test_slices_add_up_to_the_whole(served: tuple[Sink, list[Answer]]) -> None:
    """Two countries of their own, the others together; batches of several countries are taken apart row by row."""
    sink, _ = served
    rows = loans(3000, 2)["country"].copy()
    rows[:100] = "AT"
    for value, expected in (("CH", (rows == "CH").sum()), ("DE", (rows == "DE").sum()), ("__other__", None)):
        counted = sink.count(
            "ml.feature.value", ml__signal="prediction", ml__feature__name="confidence", bentoml__api__name="decide",
            ml__slice__name="country", ml__slice__value=value,
        )  # fmt: skip
        assert counted == (expected if expected is not None else 3000 - rows.isin(["CH", "DE"]).sum())
    sliced = [point for point in sink.points() if "ml.slice.value" in point.attributes]
    assert {point.attributes["ml.slice.value"] for point in sliced} == {"CH", "DE", "__other__"}
    inputs = {point.metric for point in sliced if point.attributes["ml.signal"] == "input"}
    assert "ml.feature.bin" in inputs
    assert "ml.feature.value" not in inputs


def test_the_reference_is_sent_by_one_worker_and_drift_by_each(
    served: tuple[Sink, list[Answer]], reference: Reference
) -> None:
    """What a worker calls the drift of its own requests is what `drift` says of the counts that it sent."""
    sink, _ = served
    described = sink.points(metric="ml.feature.reference")
    assert {point.resource["bentoml.worker.index"] for point in described} == {1}
    drifts = [
        point
        for point in sink.last("ml.feature.drift", ml__drift__method="psi", ml__drift__window="1h", ml__signal="input")
        if point.attributes["bentoml.api.name"] == "decide" and "ml.slice.name" not in point.attributes
    ]
    assert {point.attributes["ml.feature.name"] for point in drifts} == {"income", "debt", "country"}
    whole = FeatureStatistics(reference)
    whole.update(loans(3000, 2, richer=1.4))
    expected = drift(reference, whole.snapshot())
    assert bool(expected.loc["income", "drifted"])
    income = [point.value for point in drifts if point.attributes["ml.feature.name"] == "income"]
    critical = max(point.value for point in sink.last("ml.feature.drift.critical", ml__drift__method="psi"))
    assert income
    assert min(income) > critical
    assert np.mean(income) == pytest.approx(expected.loc["income", "psi"], rel=0.3)


def test_what_is_in_training_but_drifts_in_the_transformation_shows_as_skew(
    served: tuple[Sink, list[Answer]], reference: Reference
) -> None:
    """Each of the two signals has drift of its own."""
    sink, _ = served
    signals = {
        point.attributes["ml.signal"]
        for point in sink.last("ml.feature.drift", ml__drift__method="ks", bentoml__api__name="decide")
    }
    assert signals == {"input", "feature", "prediction"}


def _bad(reference: Reference, directory: Path) -> dict[str, tuple[str, str]]:
    """What goes wrong, by name: the setting, and what the line must name."""
    good = directory / "good.json"
    reference.save(good)
    text = good.read_text()
    document = json.loads(text)
    (directory / "truncated.json").write_text(text[: len(text) // 2])
    (directory / "newer.json").write_text(json.dumps({**document, "schema_version": 99}))
    broken = json.loads(text)
    broken["signals"]["input"]["features"]["income"]["edges"][3] = -1.0
    (directory / "edges.json").write_text(json.dumps(broken))
    other = Reference.from_frame(pd.DataFrame({"age": np.arange(100.0), "income": np.arange(100.0)}))
    other.save(directory / "names.json")
    return {
        "missing": (str(directory / "nowhere.json"), "nowhere.json"),
        "truncated": (str(directory / "truncated.json"), "truncated.json"),
        "newer": (str(directory / "newer.json"), "schema_version"),
        "edges": (str(directory / "edges.json"), "signals.input.features.income.edges"),
        "names": (str(directory / "names.json"), "age"),
        "model": ("nobody:knows", "nobody:knows"),
    }


@pytest.mark.parametrize("fault", ["missing", "truncated", "newer", "edges", "names", "model"])
def test_a_bad_reference_is_one_line_and_the_service_serves(fault: str, reference: Reference, tmp_path: Path) -> None:
    """Told once, by one of two workers, naming file, field and remedy; statistics that need no reference go on."""
    setting, named = _bad(reference, tmp_path)[fault]
    with Sink() as sink:
        env = {**FAST, **sink.environment(), "TEST_REFERENCE": setting}
        with BentoServer("loans:Lender", env, workers=2) as server:
            (answer,) = send_all(server.port, [one({"income": 10.0, "debt": 5.0, "country": "CH"})])
            assert answer.status == 200
            server.stop()
            lines = [line for line in server.output.splitlines() if "reference" in line]
        assert len(lines) == 1, server.output
        assert named in lines[0]
        assert setting in lines[0]
        assert "Traceback" not in server.output
        points = sink.last("ml.feature.value", ml__signal="input", ml__feature__name="income")
        assert sum(point.count for point in points if "ml.slice.name" not in point.attributes) == 1
