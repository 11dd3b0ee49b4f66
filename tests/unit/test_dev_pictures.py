"""The pictures of the terminal, as text of 100 columns without colours."""

from __future__ import annotations

import io
import math
import re

import numpy as np
import pytest
import urllib3
from _dev_messages import NOON, SECOND, feature, metrics
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA
from rich.console import Console, RenderableType

from bento_observe.dev import DevReceiver
from bento_observe.dev._buckets import Buckets, Exponential, readable_edges, rebin
from bento_observe.dev.pictures import Bar, category_bars, histogram_bars, read_histograms, read_trace, waterfall

MS = 1_000_000


def _lines(picture: RenderableType, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=100, color_system=None).print(picture)
    file.flush()
    lines = raw.getvalue().decode(encoding).splitlines()
    assert all(len(line) <= 100 for line in lines)
    return [line.rstrip() for line in lines]


TRACE = [
    Bar("root", None, "POST /predict", "wine", 0, 100 * MS),
    Bar("late", "root", "encode", "wine", 75 * MS, 100 * MS),
    Bar("early", "root", "decode", "wine", 0, 25 * MS),
    Bar("query", "early", "query", "wine", 10 * MS, 10 * MS + 1, error=True, message="ValueError: no such row"),
]


def test_a_waterfall_is_a_tree_in_order_of_time_with_bars_to_scale():
    """Children stand under their parent, and each bar begins and ends at its share of the trace."""
    title, axis, root, decode, query, encode, error = _lines(waterfall(TRACE, title="trace abc"))
    assert title == "trace abc · 4 spans · 100.0 ms · 1 error"
    names = ["POST /predict", "├─ decode", "│  └─ ✗ query", "└─ encode"]
    assert [re.sub(r"\s+[\d.]+\s+[█▏▎▍▌▋▊▉]+$", "", line) for line in (root, decode, query, encode)] == names
    start, width = root.index("█"), root.count("█")
    assert axis.index("0") == start
    assert [decode.index("█"), decode.count("█")] == [start, pytest.approx(width / 4, abs=1)]
    assert encode.index("█") == pytest.approx(start + 3 * width / 4, abs=1)
    assert query.endswith("▏")
    assert error == "✗ query: ValueError: no such row"


def test_a_waterfall_shows_every_span_whatever_its_parent():
    """Parents that are elsewhere, or spans that name each other, don't hide a span or run for ever."""
    spans = [
        Bar("a", "elsewhere", "orphan", "x", 0, MS),
        Bar("b", "b", "own parent", "y", 0, MS),
        Bar("c", "d", "circle one", "y", 0, MS),
        Bar("d", "c", "circle two", "y", 1, MS),
    ]
    text = "\n".join(_lines(waterfall(spans)))
    assert all(text.count(span.name) == 1 for span in spans)
    assert "service" in text


def test_a_long_trace_is_cut_and_says_so():
    """Sixty rows at most."""
    lines = _lines(waterfall([Bar(str(i), None, f"span {i}", "x", i, i + 10) for i in range(200)]))
    assert len(lines) == 63
    assert lines[-1] == "… and 140 more spans"


def test_pictures_need_nothing_but_ascii():
    """A terminal without UTF-8 gets the same in other characters."""
    lines = _lines(waterfall(TRACE), "ascii")
    assert lines[4].startswith("|  `- x query")
    assert "####" in lines[2]
    bars = _lines(
        histogram_bars("alcohol", Buckets.explicit([1, 2], [5, 5, 0]), Buckets.explicit([1, 2], [0, 5, 5])), "ascii"
    )
    assert bars[1].lstrip().startswith("<= 1   50.0% ####")


def test_equal_explicit_buckets_are_drawn_as_they_are():
    """A row a bucket, shares of each side's own total, the change in points, longest bar full."""
    before = Buckets.explicit([10.0, 12.5], [10, 80, 10], 4.0, 20.0)
    after = Buckets.explicit([10.0, 12.5], [0, 20, 180], 11.0, 21.0)
    header, *rows = _lines(histogram_bars("alcohol", before, after))
    assert re.fullmatch(r"\s*alcohol\s+before: 100 values\s+after: 200 values\s+change", header)
    cells = [re.split(r"[\s█▏▎▍▌▋▊▉]{2,}", row.strip()) for row in rows]
    assert cells == [
        ["≤ 10.0", "10.0%", "0.0%", "-10.0"],
        ["10.0 – 12.5", "80.0%", "10.0%", "-70.0"],
        ["> 12.5", "10.0%", "90.0%", "+80.0"],
    ]
    lengths = [max(len(bar) for bar in re.findall("[█▏▎▍▌▋▊▉]+", row)) for row in rows]
    assert lengths[2] == max(lengths)


def test_an_open_end_is_never_divided():
    """What lies above the last of many bounds may be anywhere: it is one row, however far the largest value is."""
    bounds = np.linspace(10.03, 14.97, 40)
    before = Buckets.explicit(bounds, [0, *np.full(39, 10), 0], 10.0, 15.0)
    after = Buckets.explicit(bounds, [0, *np.full(39, 5), 585], 11.0, 99.0)
    _, *rows = _lines(histogram_bars("alcohol", before, after))
    assert re.match(r" +> 14.97 +0.0% .* 75.0% ", rows[-1])
    assert len(rows) > 8
    assert rows[0].split()[:3] == ["10.03", "–", "10.50"]
    alone = Buckets.explicit(bounds, [*np.zeros(40), 7], 20.0, 30.0)
    assert re.match(r" +> 15  100.0% ", _lines(histogram_bars("alcohol", alone))[-1])


@pytest.mark.parametrize("lowest", [0.0, 1.0, -3.0])
def test_the_lowest_of_a_few_values_is_a_row_of_its_own(lowest):
    """A reference's first edge is the float below its lowest value, which no one wants to read."""
    bounds = [math.nextafter(lowest, -math.inf), lowest, lowest + 1]
    _, *rows = _lines(histogram_bars("flag", Buckets.explicit(bounds, [1, 6, 2, 1])))
    value, next_value = f"{lowest:g}", f"{lowest + 1:g}"
    assert [re.match(r" *(.*?)  ? *([\d.]+)%", row).groups() for row in rows] == [
        (f"< {value}", "10.0"),
        (value, "60.0"),
        (f"{value} – {next_value}", "20.0"),
        (f"> {next_value}", "10.0"),
    ]


def test_categories_are_drawn_by_how_frequent_they_are():
    """Over both sides; those that stand for many come last, and only if there are any."""
    before = {"red": 30.0, "white": 60.0, "__other__": 0.0, "__unseen__": 0.0, "__missing__": 10.0}
    after = {"red": 150.0, "white": 40.0, "__unseen__": 10.0}
    header, *rows = _lines(category_bars("colour", before, after))
    assert re.fullmatch(r"\s*colour\s+before: 100 values\s+after: 200 values\s+change", header)
    cells = [re.split(r"[\s█▏▎▍▌▋▊▉]{2,}", row.strip()) for row in rows]
    assert cells == [
        ["red", "30.0%", "75.0%", "+45.0"],
        ["white", "60.0%", "20.0%", "-40.0"],
        ["__missing__", "10.0%", "0.0%", "-10.0"],
        ["__unseen__", "0.0%", "5.0%", "+5.0"],
    ]
    assert "100 values" in _lines(category_bars("colour", before))[0]
    assert "0 values" in _lines(category_bars("colour", {}))[0]


def _exponential(values: np.ndarray, scale: int) -> Exponential:
    def side(magnitudes: np.ndarray) -> dict[int, int]:
        index = np.ceil(np.log2(magnitudes) * 2.0**scale).astype(int) - 1
        return {int(i): int(n) for i, n in zip(*np.unique(index, return_counts=True), strict=True)}

    return Exponential(scale, int((values == 0).sum()), side(values[values > 0]), side(-values[values < 0]))


@pytest.mark.parametrize("kind", ["normal", "negative", "lognormal", "integers", "constant", "zero", "huge", "tiny"])
def test_exponential_buckets_become_a_few_round_bins_that_hold_every_value(kind):
    """Whatever the values: at most 24 rows whose shares add to one, close to the histogram of the values themselves."""
    rng = np.random.default_rng(7)
    values = {
        "normal": rng.normal(10, 4, 5000),
        "negative": rng.normal(-50, 4, 5000),
        "lognormal": rng.lognormal(5, 3, 5000),
        "integers": rng.integers(0, 9, 5000).astype(float),
        "constant": np.full(50, 7.0),
        "zero": np.zeros(50),
        "huge": rng.uniform(1e307, 1.7e308, 500),
        "tiny": rng.uniform(5e-308, 1e-307, 500),
    }[kind]
    buckets = _exponential(values, 5).buckets()
    assert (np.diff(buckets.edges) > 0).all()
    edges = readable_edges([buckets])
    counts = rebin(buckets, edges)
    assert counts.sum() == pytest.approx(len(values))
    assert len(counts) <= 24
    if kind != "integers":  # which lie on the edges, where a bucket reaches to both sides
        # Zeros are shown just above 0.
        exact = np.histogram(np.where(values == 0, 1e-9, values), np.array([-np.inf, *edges, np.inf]))[0]
        if kind not in ("constant", "huge"):
            assert np.abs(counts - exact).sum() / len(values) < 0.06
    assert 1 < len(_lines(histogram_bars(kind, buckets))) <= 25


def test_an_empty_histogram_is_a_picture_too():
    """Nothing seen yet."""
    empty = Exponential.total_of([]).buckets()
    assert "before: 0 values" in _lines(histogram_bars("x", empty, empty))[0]


def test_exponential_histograms_of_different_scales_add_and_subtract_exactly():
    """Merging to the coarser scale loses resolution and no value."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(0, 3, 400), rng.normal(5, 30, 300)
    total = Exponential.total_of([_exponential(first, 6), _exponential(second, 3)])
    assert total == _exponential(np.concatenate([first, second]), 3)
    rest = total.since(_exponential(first, 6)).buckets()
    expected = _exponential(second, 3).buckets()
    assert rest.total == 300
    np.testing.assert_array_equal(rest.counts[rest.counts > 0], expected.counts[expected.counts > 0])


def _send(dev: DevReceiver, metric, instance: str) -> None:
    body = metrics(metric, instance=instance).SerializeToString()
    headers = {"Content-Type": "application/x-protobuf"}
    assert urllib3.request("POST", f"{dev.http_endpoint}/v1/metrics", body=body, headers=headers).status == 200


def test_a_features_histogram_is_split_in_time_over_all_workers():
    """Before: what each worker had counted by then. After: what each counted since, with a worker that came later."""
    with DevReceiver() as dev:
        _send(dev, feature([9, 9, 9], [1.0, 2.0], NOON - SECOND), "1")
        for at, instance, counts in [
            (0, "1", [5, 0]),
            (10, "1", [6, 4]),
            (1, "2", [3, 1]),
            (9, "2", [3, 9]),
            (8, "3", [0, 2]),
        ]:
            _send(dev, feature(counts, [10.0], NOON + at * SECOND), instance)
        delta = feature([1, 1], [10.0], NOON + 7 * SECOND)
        delta.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
        _send(dev, delta, "4")
        _send(dev, delta, "4")
        before, after = read_histograms(dev.query, "alcohol", split_ns=NOON + 5 * SECOND)
        assert list(before.counts) == [8, 1]
        assert list(after.counts) == [3, 16]
        halves = read_histograms(dev.query, "alcohol", signal="input")
        assert [half.total for half in halves] == [9, 19]
        with pytest.raises(LookupError, match="colour"):
            read_histograms(dev.query, "colour")


def test_an_unknown_trace_is_told():
    """Both with an id and without."""
    with DevReceiver() as dev:
        with pytest.raises(LookupError, match="no trace has arrived yet"):
            read_trace(dev.query)
        with pytest.raises(LookupError, match="no trace begins with abc"):
            read_trace(dev.query, "abc")
