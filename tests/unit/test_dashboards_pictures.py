"""Each kind of panel is drawn with what it was answered, and one without data says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("PIL")

from PIL import Image

from collector.grafana.preview import Answer, Run, Series, Shown, Window, load
from collector.grafana.preview.pictures import draw
from collector.grafana.preview.pictures._look import INK, colour_of, named, on, shown
from collector.grafana.preview.pictures._transformed import joined, side_by_side

WINDOW = Window(1_000_000.0, 1_000_600.0)
TIMES = np.arange(1_000_000.0, 1_000_600.0, 30.0)
HEIGHT = 8


def _series(name: str, *values: float, **labels: str) -> Series:
    found = np.array(values) if values else np.sin(TIMES / 60) + 2
    times = TIMES if len(found) == len(TIMES) else WINDOW.end - 30.0 * np.arange(len(found))[::-1]
    return Series(name, labels, times, found.astype(float))


BUCKETS = tuple(_series(le, *np.full(len(TIMES), count), le=le) for le, count in (("1", 3), ("2", 9), ("+Inf", 10)))
NATIVE = Series("n", {}, TIMES, np.array([]), tuple(((0.0, 1.0, 4.0), (1.0, 2.0, 6.0)) for _ in TIMES))
LOG = {"@timestamp": "1000000000.5", "severity_text": "ERROR", "body": {"text": "no answer"}}
ORGANISE = {
    "id": "organize",
    "options": {"indexByName": {"f": 0, "Value #A": 1}, "renameByName": {"f": "Feature", "Value #A": "now"}},
}
KINDS: dict[str, tuple[dict[str, Any], tuple[Answer, ...]]] = {
    "timeseries": ({}, (Answer("A", "", series=(_series("a"), _series("b"))),)),
    "stat": ({}, (Answer("A", "", series=(_series("a", 0.5),)),)),
    "heatmap": ({}, (Answer("A", "", series=BUCKETS),)),
    "table": (
        {"transformations": [ORGANISE]},
        (Answer("A", "", series=(_series("", 1.0, f="x"), _series("", 2.0, f="y"))),),
    ),
    "barchart": (
        {"options": {"xField": "f"}, "transformations": [ORGANISE]},
        (Answer("A", "", series=(_series("", 1.0, f="x"), _series("", 2.0, f="y"))),),
    ),
    "bargauge": ({}, (Answer("A", "", series=(_series("a", 3.0), _series("b", 1.0))),)),
    "logs": ({}, (Answer("A", "", rows=(LOG, LOG)),)),
    "text": ({"options": {"content": "Some *words*."}}, ()),
}


def _run(kinds: dict[str, tuple[dict[str, Any], tuple[Answer, ...]]]) -> Run:
    panels = [
        {
            "id": number, "title": "", "type": kind, "gridPos": {"x": 0, "y": HEIGHT * number, "w": 24, "h": HEIGHT},
            "targets": [{"refId": "A"}] if answers else [], "fieldConfig": {"defaults": {"noValue": "No, because."}},
            **more,
        }
        for number, (kind, (more, answers)) in enumerate(kinds.items())
    ]  # fmt: skip
    dashboard = load({"uid": "u", "title": "A dashboard", "panels": panels})
    answers = [each for _, each in kinds.values()]
    shown = tuple(Shown(panel, "", each) for panel, each in zip(dashboard.panels, answers, strict=True))
    return Run(dashboard, WINDOW, {}, shown, ())


def _ink(path: Path, panels: int) -> list[int]:
    """Of each panel how many pixels are not as its background is."""
    picture = np.asarray(Image.open(path).convert("L")).astype(int)
    assert picture.shape[1] == 1440
    top, high = 74, HEIGHT * 30
    parts = [picture[top + number * high + 26 : top + (number + 1) * high - 16, 20:-20] for number in range(panels)]
    return [int((part < 200).sum()) for part in parts]


def test_every_kind_of_panel_is_drawn(tmp_path: Path) -> None:
    """All in one small picture; and the kinds are those that the dashboards have."""
    path = tmp_path / "all.png"
    draw(_run(KINDS), path)
    assert path.stat().st_size < 100_000
    for kind, ink in zip(KINDS, _ink(path, len(KINDS)), strict=True):
        assert ink > 100, kind
    folder = Path(__file__).resolve().parents[2] / "collector" / "grafana" / "dashboards"
    used = {panel.kind for file in folder.glob("*.json") for panel in load(file).panels}
    assert used - {"row"} <= KINDS.keys()


def test_native_histograms_are_heat_maps_too(tmp_path: Path) -> None:
    """Buckets of Prometheus' own instead of series by `le`."""
    path = tmp_path / "native.png"
    draw(_run({"heatmap": ({}, (Answer("A", "", series=(NATIVE,)),))}), path)
    assert _ink(path, 1)[0] > 10_000


def test_a_panel_without_data_says_why(tmp_path: Path) -> None:
    """In words, and without axes."""
    for kind, (more, _) in KINDS.items():
        if kind != "text":
            path = tmp_path / f"{kind}.png"
            draw(_run({kind: (more, (Answer("A", ""),))}), path)
            assert 50 < _ink(path, 1)[0] < 1500, kind


def test_colours_are_those_of_thresholds_and_mappings() -> None:
    """The last step that is reached; a mapping's text and colour before that."""
    steps = {"thresholds": {"steps": [{"value": None, "color": "green"}, {"value": 1, "color": "red"}]}}
    assert [colour_of(steps, value) for value in (0.5, 1.0)] == [named("green"), named("red")]
    mapping = {"type": "value", "options": {"3": {"text": "drifted", "color": "orange"}}}
    assert shown({**steps, "mappings": [mapping]}, 3.0) == ("drifted", named("orange"))
    assert named("#abcdef") == "#abcdef"
    assert named("light-red") != named("red") != named("dark-red")


def _shown(panel: dict[str, Any], *answers: tuple[Series, ...]) -> Shown:
    targets = [{"refId": letter} for letter, _ in zip("AB", answers, strict=False)]
    grid = {"x": 0, "y": 0, "w": 24, "h": 8}
    panel = {"id": 1, "title": "", "type": "table", "gridPos": grid, "targets": targets, **panel}
    (read,) = load({"uid": "u", "title": "", "panels": [panel]}).panels
    told = tuple(Answer(target["refId"], "", series=each) for target, each in zip(targets, answers, strict=True))
    return Shown(read, "", told)


def test_a_matrix_has_a_line_and_a_column_for_each_value() -> None:
    """In the order of their names, the corner called as the panel says, holes where there is no series."""
    matrix = {"id": "groupingToMatrix", "options": {"rowField": "t", "columnField": "p", "valueField": "Value"}}
    organised = {"id": "organize", "options": {"indexByName": {"t\\p": 0}, "renameByName": {"t\\p": "true"}}}
    pairs = (_series("", 0.2, t="b", p="b"), _series("", 0.9, t="a", p="a"), _series("", 0.8, t="b", p="a"))
    rows = joined(_shown({"transformations": [matrix, organised]}, pairs))
    assert rows == [{"true": "a", "a": 0.9, "b": ""}, {"true": "b", "a": 0.8, "b": 0.2}]
    assert list(rows[0]) == ["true", "a", "b"]


@pytest.mark.parametrize(
    ("order", "names"), [({"field": "f", "desc": False}, ["x", "y"]), ({"field": "now", "desc": True}, ["y", "x"])]
)
def test_bars_are_in_the_order_that_the_panel_says(order: dict[str, Any], names: list[str]) -> None:
    """By what they are called, or by one of their values."""
    sorting = {"id": "sortBy", "options": {"sort": [order]}}
    organised = {"id": "organize", "options": {"renameByName": {"Value": "now"}}}
    panel = {"options": {"xField": "f"}, "transformations": [organised, sorting]}
    values, found = side_by_side(_shown(panel, (_series("", 1.0, f="x"), _series("", 2.0, f="y"))))
    assert found == names
    assert values["now"].tolist() == [{"x": 1.0, "y": 2.0}[name] for name in names]


def test_text_can_be_read_on_every_colour() -> None:
    """White on dark ones, ink on light and on transparent ones."""
    assert [on(named(name)) for name in ("blue", "red", "super-light-blue", "transparent")] == [
        "white",
        "white",
        INK,
        INK,
    ]
