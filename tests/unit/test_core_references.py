"""Which reference a service has, and whether it is of what the APIs take."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import bentoml
import numpy as np
import pandas as pd
import pydantic
import pytest
from bentoml.models import BentoModel
from bentoml.validators import DataframeSchema, Shape

from bento_observe import FeatureStatistics, Reference, semconv
from bento_observe._references import References, find_reference


class Row(pydantic.BaseModel):
    a: float
    b: float


class Rows(pydantic.RootModel[list[Row]]):
    pass


class OnlyA(pydantic.BaseModel):
    a: float


class Other(pydantic.BaseModel):
    z: float


class Api:
    @bentoml.api
    def model(self, row: Row) -> float: ...
    @bentoml.api
    def models(self, rows: list[Row]) -> float: ...
    @bentoml.api
    def parameters(self, a: float, b: float, c: float = 1.0) -> float: ...
    @bentoml.api
    def frame(self, rows: Annotated[pd.DataFrame, DataframeSchema(columns=("a", "b"))]) -> float: ...
    @bentoml.api
    def array(self, rows: Annotated[np.ndarray, Shape((-1, 2))]) -> float: ...
    @bentoml.api
    def any_array(self, rows: np.ndarray) -> float: ...
    @bentoml.api
    def partly(self, row: OnlyA) -> float: ...
    @bentoml.api
    def other(self, row: Other) -> float: ...
    @bentoml.api
    def frame_and_more(self, rows: pd.DataFrame, threshold: float = 0.5) -> float: ...
    @bentoml.api
    def model_and_more(self, row: Row, threshold: float = 0.5) -> float: ...
    @bentoml.api
    def root(self, rows: Rows) -> float: ...
    @bentoml.api
    def wide(self, rows: Annotated[np.ndarray, Shape((-1, 3))]) -> float: ...


REFERENCE = Reference.from_frame(
    pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100.0)}), prediction=np.arange(100.0), slices=()
)


def references(told: list[str]) -> References:
    return References(REFERENCE, told.append, "train.json")


@pytest.mark.parametrize(
    "api", ["model", "models", "parameters", "frame", "array", "any_array", "frame_and_more", "model_and_more", "root"]
)
def test_an_api_that_takes_the_reference_s_features_has_it(api: str) -> None:
    """By names, by the number of columns, or because nothing is known before the first request."""
    told: list[str] = []
    found = references(told)
    assert found.of(semconv.SIGNAL_INPUT, api, getattr(Api, api)) is REFERENCE.signals["input"]
    found.check()
    assert told == []


@pytest.mark.parametrize(("api", "named"), [("partly", "'b'"), ("other", "'z'"), ("wide", "3 columns")])
def test_an_api_that_takes_something_else_is_told_in_one_line(api: str, named: str) -> None:
    """Naming the file, the field, the remedy."""
    told: list[str] = []
    found = references(told)
    assert found.of(semconv.SIGNAL_INPUT, api, getattr(Api, api)) is None
    found.check()
    (line,) = told
    for part in ("train.json", "signals.input.features", api, named, "profile"):
        assert part in line
    assert "\n" not in line


def test_columns_that_were_left_out_of_the_reference_are_columns_all_the_same() -> None:
    """An array of three columns fits training data of three, one of which had no values."""
    training = pd.DataFrame({"a": np.arange(100.0), "nothing": np.nan, "b": np.arange(100.0)})
    found = References(Reference.from_frame(training), pytest.fail)
    reference = found.of(semconv.SIGNAL_INPUT, "wide", Api.wide)
    statistics = FeatureStatistics(reference)
    statistics.update(np.array([[1.0, 2.0, 3.0]]))
    assert [statistics.snapshot().features[name].max for name in ("a", "b")] == [1.0, 3.0]


def test_another_api_beside_the_right_one_is_nothing_to_tell() -> None:
    """A service may have an API for feedback."""
    told: list[str] = []
    found = references(told)
    assert found.of(semconv.SIGNAL_INPUT, "other", Api.other) is None
    assert found.of(semconv.SIGNAL_INPUT, "model", Api.model) is not None
    found.check()
    assert told == []


def test_predictions_have_their_own_part_whatever_the_api_takes() -> None:
    """The reference of a signal it does not have is None."""
    found = references([])
    assert found.of(semconv.SIGNAL_PREDICTION) is REFERENCE.signals["prediction"]
    assert found.of(semconv.SIGNAL_LABEL) is None


def test_a_reference_is_found_by_path_by_tag_and_beside_the_only_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three ways to the same one, and none where a service has two models."""
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.models import ModelStore

    store = ModelStore(tmp_path / "models")
    with BentoMLContainer.model_store.patch(store):
        with bentoml.models.create("wine:v1") as model:
            REFERENCE.save(model.path_of(Reference.FILE))
        with bentoml.models.create("bare:v1") as bare:
            pass
        REFERENCE.save(tmp_path / "r.json")
        told: list[str] = []
        for wanted, models in (
            (str(tmp_path / "r.json"), []), (tmp_path / "r.json", []), ("wine:v1", []), (bentoml.Tag("wine", "v1"), []),
            (None, [model]), (None, [BentoModel("wine:latest")]),
        ):  # fmt: skip
            assert find_reference(wanted, models, told.append) == REFERENCE
        assert find_reference(REFERENCE, [], told.append) is REFERENCE
        for models in ([], [bare], [model, bare], [BentoModel("nobody:v1")], [object()]):
            assert find_reference(None, models, told.append) is None
        assert told == []
        assert find_reference("bare:v1", [], told.append) is None
        assert find_reference("nobody:v1", [], told.append) is None
        assert len(told) == 2
        assert "bare:v1" in told[0]
        assert "nobody:v1" in told[1]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (123, "int"), (b"x.json", "bytes"), (pd.DataFrame({"a": [1.0]}), "DataFrame"), (object(), "object"),
        (SimpleNamespace(id="mine", edges={"a": [1.0, 0.0]}), "'a'"),
    ],
)  # fmt: skip
def test_what_is_no_reference_is_told_in_one_line(wrong: object, named: str) -> None:
    """With the remedy; the service goes on without one."""
    told: list[str] = []
    assert find_reference(wrong, [], told.append) is None
    (line,) = told
    assert named in line
    assert "served without a reference" in line


def test_whatever_gives_edges_is_a_reference() -> None:
    """An object with `id` and `edges`, for those who have bucket edges from elsewhere."""

    edges = SimpleNamespace(id="mine", edges={"a": [0.0, 1.0]})
    told: list[str] = []
    found = References(find_reference(edges, [], told.append), told.append)
    one = found.of(semconv.SIGNAL_INPUT, "partly", Api.partly)
    statistics = FeatureStatistics(one)
    statistics.update({"a": 0.5})
    assert statistics.snapshot().features["a"].counts.tolist() == [0, 1, 0]
    assert told == []
