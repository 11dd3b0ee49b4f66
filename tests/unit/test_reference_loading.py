"""A reference in a file or a model's folder: what is good comes back, what is not gives one clear line."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bento_observe.cli import main
from bento_observe.features.reference import BadReferenceError, Reference
from bento_observe.features.reference._document import MAX_BYTES, identify

FEATURE = "signals.input.features.alcohol"


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"alcohol": rng.normal(11, 1, 500), "color": rng.choice(["red", "white"], 500)})
    return Reference.from_frame(frame, prediction=rng.dirichlet([1, 1], 500), slices=["color"])


@pytest.fixture
def path(reference: Reference, tmp_path: Path) -> Path:
    reference.save(tmp_path / "wine.json")
    return tmp_path / "wine.json"


def error_of(path: Path) -> str:
    with pytest.raises(BadReferenceError) as raised:
        Reference.load(path)
    message = str(raised.value)
    assert "\n" not in message
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return message


def test_all_of_it_comes_back(reference: Reference, path: Path) -> None:
    """From the file and from a pickle."""
    for other in (Reference.load(path), Reference.load(str(path)), pickle.loads(pickle.dumps(reference))):
        assert other == reference
        assert hash(other) == hash(reference)
        assert (other.id, other.rows) == (reference.id, 500)
        assert other.signals["prediction"].classes == ("0", "1")
        assert list(other.slices["color"]) == list(reference.slices["color"])
        one, same = other.features["alcohol"], reference.features["alcohol"]
        for name in ("kind", "count", "missing", "min", "max", "mean", "variance", "kurtosis", "distinct"):
            assert getattr(one, name) == getattr(same, name)
        np.testing.assert_array_equal(other.edges["alcohol"], reference.edges["alcohol"])
        part = other.slices["color"]["red"]["input"]
        assert part.id == reference.id
        assert part.features["color"].categories == {"red": part.features["alcohol"].count, "white": 0}  # type: ignore[union-attr]
    assert reference.signal("label") is None
    assert reference.signal("input") is reference.signals["input"]


def test_saving_replaces_and_leaves_nothing_beside(reference: Reference, path: Path) -> None:
    """A file that is there is replaced as a whole."""
    before = path.read_bytes()
    path.write_text("something else")
    reference.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    with pytest.raises(FileNotFoundError) as raised:
        reference.save(path.parent / "no" / "such.json")
    assert raised.value.filename == str(path.parent / "no" / "such.json")


def test_saving_goes_where_a_link_leads(reference: Reference, tmp_path: Path) -> None:
    """And the link stays one."""
    (tmp_path / "below").mkdir()
    link, target = tmp_path / "link.json", tmp_path / "below" / "target.json"
    link.symlink_to(target)
    for _ in range(2):
        reference.save(link)
        assert link.is_symlink()
        assert not target.is_symlink()
        assert Reference.load(target) == reference
    assert os.listdir(target.parent) == ["target.json"]


def test_saving_replaces_no_directory_and_no_pipe(reference: Reference, tmp_path: Path) -> None:
    """Only files."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="is not a regular file") as raised:
            reference.save(tmp_path / name)
        assert raised.value.filename == str(tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_what_is_no_file_is_told(path: Path, tmp_path: Path) -> None:
    """Missing, a directory, a pipe, and a name that no file can have."""
    assert "absent.json: there is no such file; check the path" in error_of(tmp_path / "absent.json")
    assert error_of(tmp_path) == f"reference {tmp_path}: is a directory; give the file that is in it"
    os.mkfifo(tmp_path / "pipe")
    assert error_of(tmp_path / "pipe") == f"reference {tmp_path / 'pipe'}: is not a regular file; give a file"
    assert error_of(Path(os.devnull)) == f"reference {os.devnull}: is not a regular file; give a file"
    assert "cannot be read" in error_of(tmp_path / "x" / "\0.json")
    assert "cannot be read (Not a directory); check the path and its permissions" in error_of(path / "below.json")


def test_a_file_that_may_not_be_read_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system's reason."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert error_of(path).endswith("cannot be read (Permission denied); check the path and its permissions")


def test_what_is_too_large_is_not_read(path: Path) -> None:
    """A sparse file of one byte more than is allowed."""
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    assert "is larger than 64 MiB" in error_of(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_told(path: Path, share: float) -> None:
    """Wherever the end is."""
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    message = error_of(path)
    assert "perhaps it was cut off; copy it again, or profile the training data again" in message
    assert str(path) in message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff\xfe\x00", "not text in UTF-8 from line 1 on; copy it again"),
        (b'{"rows":\n\n"\xf6"}', "not text in UTF-8 from line 3 on; copy it again"),
        (b"[" * 100_000, "is nested too deeply; copy it again"),
        (b'{"x": ' * 100_000 + b"1" + b"}" * 100_000, "is nested too deeply; copy it again"),
        (b'{"rows": 1,\n "rows" 2}', "not JSON from line 2, column 9 on"),
        (b'{"rows": 1, "a": {"b\\n": 1, "b\\n": 2}}', 'an object has the key "b\\n" more than once'),
        (b"\xef\xbb\xbf", "the file is empty"),
    ],
)
def test_what_is_no_json_is_told(path: Path, raw: bytes, message: str) -> None:
    """Other encodings, endless nesting, commas left out, keys that are there twice."""
    path.write_bytes(raw)
    assert message in error_of(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "9" * 5000])
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rows", "500", "rows is not a whole number of 0 or more"),
        ("min", None, f"{FEATURE}.min is not a finite number"),
        ("count", "500", f"{FEATURE}.count is not a whole number of 0 or more"),
        ("distinct", "null", f"{FEATURE}.distinct is not a whole number of 0 or more"),
    ],
)
def test_a_number_that_is_none_is_named(
    path: Path, reference: Reference, number: str, field: str, value: str | None, message: str
) -> None:
    """Whatever it is where Python, not the standard, would take it."""
    value = value or json.dumps(reference.features["alcohol"].min)  # type: ignore[union-attr]
    text = path.read_text()
    assert f'"{field}": {value}' in text
    path.write_text(text.replace(f'"{field}": {value}', f'"{field}": {number}', 1))
    assert f"{path}: {message}; profile the training data again" in error_of(path)


def test_numbers_where_no_field_is_read_are_finite_too(path: Path) -> None:
    """The id would be one of what is no JSON."""
    path.write_text(path.read_text().replace('"rows": 500', '"rows": 500, "more": [NaN]'))
    assert f"{path}: holds a number that is not finite" in error_of(path)


def test_a_byte_order_mark_is_passed_over(path: Path, reference: Reference) -> None:
    """Editors of one system put it there."""
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert Reference.load(path) == reference


@pytest.mark.parametrize("document", [[], "text", {}, {"format": "another"}, None, 1])
def test_other_json_is_told(path: Path, document: object) -> None:
    """The remedy says how a reference is made."""
    path.write_text(json.dumps(document))
    assert "is not a bento-observe reference" in error_of(path)
    assert "make one with `bento-observe profile` or `Reference.from_frame`" in error_of(path)


def _edit(field: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def edit(document: dict[str, Any]) -> None:
        *parents, last = field.split(".")
        inner: Any = document
        for parent in parents:
            inner = inner[parent]
        inner[last] = change(inner.get(last))

    return edit


CHANGES: list[tuple[str, Callable[[Any], Any], str]] = [
    ("schema_version", lambda _: 3, "3 was written by a newer bento-observe, this one reads 2; update it or profile"),
    ("schema_version", lambda _: 0, "is not 1 or more"),
    ("schema_version", lambda _: "1", "is not a whole number of 0 or more"),
    ("rows", lambda _: -1, "is not a whole number of 0 or more"),
    ("rows", lambda _: True, "is not a whole number of 0 or more"),
    ("signals", lambda _: [], "is not an object"),
    ("signals.other", lambda _: {}, "is none of input, feature, prediction, label"),
    ("signals.input.features", lambda _: 3, "is not an object"),
    ("signals.prediction.classes", lambda _: ["0", "0"], "is not an array of different texts"),
    ("signals.prediction.vector", lambda _: {"mean": ["a"]}, ".mean are not all finite numbers"),
    (f"{FEATURE}.kind", lambda _: "odd", "is not one of numeric, boolean, constant, categorical, high_cardinality"),
    (f"{FEATURE}.count", lambda count: count + 0.5, "is not a whole number of 0 or more"),
    (f"{FEATURE}.missing", lambda _: 2**63, "is not a whole number of 0 or more"),
    (f"{FEATURE}.mean", lambda _: "11", "is not a finite number"),
    (f"{FEATURE}.mean", lambda _: 1e9, "is not between min and max"),
    (f"{FEATURE}.mean", lambda _: 10**400, "is not a finite number"),
    (f"{FEATURE}.variance", lambda _: -1.0, "is negative"),
    (f"{FEATURE}.edges", lambda _: None, "is not an array"),
    (f"{FEATURE}.edges", lambda _: [], "are 0, not 1 to 47"),
    (f"{FEATURE}.edges", lambda edges: [*edges, *range(100, 200)], "not 1 to 47"),
    (f"{FEATURE}.edges", lambda edges: edges[::-1], "are not increasing; profile the training data again"),
    (f"{FEATURE}.edges", lambda edges: [edges[0], *edges[:-1]], "are not increasing; profile the training data again"),
    (f"{FEATURE}.edges", lambda edges: [*edges[:-1], None], "are not all finite numbers"),
    (f"{FEATURE}.edges", lambda edges: [*edges[:-1], True], "are not all finite numbers"),
    (f"{FEATURE}.counts", lambda counts: counts[1:], "have 46 elements, not 47"),
    (f"{FEATURE}.counts", lambda counts: [-1, *counts[1:-1], 1], "are not all whole numbers of 0 or more"),
    (f"{FEATURE}.counts", lambda counts: [1, *counts[1:]], "do not add up to count, 500"),
    (f"{FEATURE}.counts", lambda counts: [1, counts[1] - 1, *counts[2:]], "outside the training range"),
    (f"{FEATURE}.counts", lambda counts: [*counts[:-2], counts[-2] - 1, 1], "outside the training range"),
    (f"{FEATURE}.distinct", lambda _: 3, "is 3, but 45 of counts are not 0"),
    (f"{FEATURE}.distinct", lambda _: 45, "is 45, more than 20"),
    ("signals.input.columns", lambda _: None, "is not an array"),
    ("signals.input.columns", lambda _: ["alcohol", 1], "is not an array of texts"),
    ("signals.prediction.classes", lambda _: ["0", 1], "is not an array of texts"),
    ("signals.input.features.color.categories", lambda _: {"red": "many"}, "is not a whole number of 0 or more"),
    ("signals.input.features.color.count", lambda _: 1, "is less than the categories add up to"),
    ("slices.color.red.label", lambda _: {}, "is not among signals"),
    ("slices.color.red.input.other", lambda _: {}, "is not among the features of its signal"),
    ("slices.color.red.input.color.counts", lambda _: [1], "have 1 elements, not 2"),
    ("id", lambda _: 5, "is not a text"),
    ("id", lambda _: "sha256:0", "does not match the content, which was changed after it was profiled; profile"),
]


CALIBRATION = "signals.prediction.calibration"
CALIBRATION_CHANGES: list[tuple[str, Callable[[Any], Any], str]] = [
    ("rows", lambda _: 0, "is not 1 or more"),
    ("measured.accuracy", lambda _: 1.5, "is none of accuracy, precision, recall, f1, roc_auc, each 0 to 1"),
    ("measured.loss", lambda _: 0.5, "is none of accuracy, precision, recall, f1, roc_auc, each 0 to 1"),
    ("classes", lambda classes: dict(reversed(classes.items())), "are not the classes of the signal, 2 to 20"),
    ("classes.0.edges", lambda _: [], "are 0, not 1 to 22"),
    ("classes.0.edges", lambda edges: edges[::-1], "are not increasing"),
    ("classes.0.shares", lambda shares: shares[1:], "elements, not "),
    ("classes.0.shares", lambda shares: shares[::-1], "do not rise from 0 to 1"),
    ("classes.1.shares", lambda shares: [*shares[:-1], 1.1], "do not rise from 0 to 1"),
    ("classes.1.scores", lambda scores: [*scores, *range(300)], "not 1 to 256"),
    ("classes.1", lambda _: None, "is not an object"),
]


@pytest.mark.parametrize(("field", "change", "expected"), CALIBRATION_CHANGES)
def test_every_wrong_field_of_a_calibration_is_named(
    tmp_path: Path, field: str, change: Callable[[Any], Any], expected: str
) -> None:
    """As of the rest, even where the id fits."""
    rng = np.random.default_rng(7)
    scores = rng.dirichlet([1, 1], 500)
    labels = (rng.random(500) < scores[:, 1]).astype(int)
    path = tmp_path / "wine.json"
    Reference.from_frame(scores, prediction=scores, label=labels).save(path)
    document = json.loads(path.read_text())
    assert document["schema_version"] == 2
    _edit(f"{CALIBRATION}.{field}", change)(document)
    document["id"] = identify(document)
    path.write_text(json.dumps(document))
    assert f"{CALIBRATION}.{field}" in error_of(path)
    assert expected in error_of(path)


def test_a_reference_without_a_calibration_is_what_older_versions_read(path: Path) -> None:
    """They take what has no newer version."""
    assert json.loads(path.read_text())["schema_version"] == 1


@pytest.mark.parametrize(("field", "change", "expected"), CHANGES)
def test_every_wrong_field_is_named(path: Path, field: str, change: Callable[[Any], Any], expected: str) -> None:
    """The file, the field and what is wrong with it, even where the id fits."""
    document = json.loads(path.read_text())
    _edit(field, change)(document)
    if field != "id":
        document["id"] = identify(document)
    path.write_text(json.dumps(document))
    message = error_of(path)
    assert message.startswith(f"reference {path}: {field}")
    assert expected in message
    assert "; " in message


@pytest.mark.parametrize(
    "field",
    ["schema_version", "rows", "signals", "signals.input.columns", "id", f"{FEATURE}.edges", f"{FEATURE}.counts"],
)
def test_a_missing_field_is_named(path: Path, field: str) -> None:
    """With the whole way to it."""
    document = json.loads(path.read_text())
    *parents, last = field.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    del inner[last]
    path.write_text(json.dumps(document))
    assert f"{path}: {field} is missing" in error_of(path)


def test_a_bucket_of_few_values_is_never_empty(tmp_path: Path) -> None:
    """Edges are the values of the data where they are few; in slices not all need be there."""
    path = tmp_path / "few.json"
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 3.0], "s": ["a", "a", "b", "b"], "low": [-np.finfo(float).max, 1, 1, 1]})
    reference = Reference.from_frame(frame, slices=["s"])
    reference.save(path)
    loaded = Reference.load(path)
    assert [loaded.slices["s"][value]["input"].features["x"].distinct for value in "ab"] == [2, 1]
    assert (loaded.features["low"].distinct, loaded.edges["low"].size) == (2, 2)
    document = json.loads(path.read_text())
    document["signals"]["input"]["features"]["x"] |= {"counts": [0, 2, 0, 2, 0], "distinct": 2}
    path.write_text(json.dumps(document))
    assert "signals.input.features.x.distinct is 2, but edges are of 3 values; profile" in error_of(path)


def test_a_change_by_hand_is_told(path: Path) -> None:
    """One digit that is fine in itself."""
    text = path.read_text()
    assert '"rows": 500' in text
    path.write_text(text.replace('"rows": 500', '"rows": 501'))
    assert "id does not match the content, which was changed after it was profiled" in error_of(path)


def test_odd_names_do_not_break_the_line(tmp_path: Path) -> None:
    """Line ends in a feature's name, and a name without end."""
    for name, shown in (("a\nb.c", '["a\\nb.c"]'), ("x" * 1000, "xxx...")):
        path = tmp_path / "odd.json"
        Reference.from_frame(pd.DataFrame({name: [1.0, 2.0]})).save(path)
        document = json.loads(path.read_text())
        document["signals"]["input"]["features"][name]["edges"] = [2, 1]
        path.write_text(json.dumps(document))
        message = error_of(path)
        assert shown in message
        assert len(message) < 400 + len(str(path))


@pytest.fixture
def model_store(tmp_path: Path) -> Iterator[Path]:
    """A model store of its own."""
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.models.model import ModelStore

    BentoMLContainer.model_store.set(ModelStore(tmp_path / "models"))
    yield tmp_path / "models"
    BentoMLContainer.model_store.reset()


def test_a_reference_lies_with_its_model(reference: Reference, model_store: Path) -> None:
    """Put there while the model is made, or later; found by its tag; a model without one, and none at all."""
    import bentoml

    with bentoml.models.create("wine") as model:
        reference.save(model.path_of(Reference.FILE))
    assert str(model_store) in bentoml.models.get("wine:latest").path
    assert Reference.of_model("wine:latest") == reference
    assert Reference.of_model(model.tag) == reference
    with bentoml.models.create("plain") as plain:
        pass
    with pytest.raises(BadReferenceError, match=r"of model plain.*there is no bento_observe.reference.json"):
        Reference.of_model(str(plain.tag))
    reference.save_with(plain.tag)
    assert Reference.of_model("plain:latest").id == reference.id
    for tag, problem in (("absent:latest", "there is no such model"), ("no tag!", "no model in BentoML's model store")):
        with pytest.raises(BadReferenceError, match=problem):
            Reference.of_model(tag)
        with pytest.raises(BadReferenceError, match=problem):
            reference.save_with(tag)


def test_the_command_line_puts_it_next_to_a_model(model_store: Path, tmp_path: Path) -> None:
    """With --model, and without a file."""
    import bentoml

    with bentoml.models.create("wine"):
        pass
    frame = pd.DataFrame({"x": [1.0, 2.0, 4.0]})
    frame.to_csv(tmp_path / "train.csv", index=False)
    arguments = ["profile", str(tmp_path / "train.csv"), "--model"]
    result = CliRunner().invoke(main, [*arguments, "wine:latest"])
    assert result.exit_code == 0, result.output
    assert "Put next to the model wine:latest." in result.output
    assert Reference.of_model("wine:latest") == Reference.from_frame(frame)
    result = CliRunner().invoke(main, [*arguments, "absent:latest"])
    assert result.exit_code == 1
    assert "Error: reference of model absent:latest: there is no such model in BentoML's model store" in result.output
