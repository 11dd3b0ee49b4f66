"""What feature statistics cost, beside what else counts values in Python.

    python benchmarks/feature_statistics.py [--quick]

All cases, ours and the peers', take turns: every round runs each once, in random order. The table has the minimum of
all rounds, which is the number that other work on the machine disturbs least, and the median, since minima flatter;
the last line has both, the medians as `<figure>.median`. Ratios are those of the minima and those of the medians.

- `request_thread_us` is elapsed time, what a request waits for: one `update`. The data is the same each time.
- `ns_per_value` is CPU time of everything, the flush included, for each value; `cpu_us.1x100` the same for one update.
  Of `strings`, a value is one string, in frames of 1000 rows and 10 columns; of `dict30`, a number or a string.
- `flush_step_ms_max` is the CPU time of the longest step of one flush: of 4000 updates with one row, of one with 1000,
  of 500 dicts, and of a frame of strings.
- `collect_300_cpu_ms` is the CPU time of reading, encoding and serialising 300 histograms and what goes with them
  each time, `with_drift` with the drift over two windows and the reference itself, which one worker of all sends.
- `drift_ms` is the CPU time of all drift measures of 100 features, as a DataFrame, ten times in a row; `arrays` is
  without the DataFrame, as a worker computes it; `once` a single time, when the caches hold other things;
  `with_counting` a single time with the counting of the 1000 rows first.
- `state_bytes_per_feature` are the arrays that counting changes, `with_tables` all arrays that can be reached from an
  aggregator, and `allocated` all memory that an aggregator adds to that of its reference, Python's objects included;
  each divided by 100 numeric features. Bucket edges are the reference's, so they are among the second alone.
- Figures that end in `_numpy` are of an aggregator without the compiled kernel; where that was not built, all are.
- Peers are CPU time too. boost-histogram counts buckets only, prometheus_client a sum as well, the SDK's histogram also
  the minimum and maximum. whylogs and evidently run in processes and environments of their own, which are made under
  `.cache/benchmarks` the first time; `--quick` leaves them out. evidently compares 1000 rows of 100 features with
  10 000; ours compares with a `Reference` of the same 10 000. Of `otel_record` and `prometheus_observe`, `--quick` has
  50 of the 1000 rows.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec

from _features.cases import Case, References, cases, memory
from _features.data import matrix
from _peers.environment import Peer, PeerError
from _peers.in_process import boost_histogram, otel_record, prometheus_observe
from _report import json_line, progress, table

_BATCH, _SINGLE = "1000x100", "1x100"
_DRIFT = "drift_ms.100"
_FEATURES = 100
_NUMPY = "_numpy"

AT_MOST = {
    "request_thread_us.1x10": 0.6,
    "request_thread_us.1x100": 1.0,
    "request_thread_us.frame1x30": 25.0,
    "request_thread_us.dict30": 10.0,
    "request_thread_us.dict30_numeric": 10.0,
    "ns_per_value.1000x100": 15.0,
    "ns_per_value.100000x50": 15.0,
    "ns_per_value.strings": 250.0,
    "cpu_us.1x100": 3.0,
    "flush_step_ms_max.1x100": 0.3,
    "flush_step_ms_max.1000x100": 0.3,
    "flush_step_ms_max.dict30": 0.3,
    "flush_step_ms_max.strings": 0.3,
    "flush_step_ms_max": 0.3,
    "collect_300_cpu_ms": 20.0,
    "state_bytes_per_feature": 512.0,
    "state_bytes_per_feature.with_tables": 1600.0,
}
AT_LEAST = {
    "otel_record/bento_observe.1000x100": 300.0,
    "otel_record/bento_observe.1x100": 150.0,
    "whylogs/bento_observe.1000x100": 50.0,
    "evidently_psi/bento_observe.drift100": 10_000.0,
}
# Above and below the line; those whose peer did not run are left out.
RATIOS = {
    **{
        f"{peer}/bento_observe.{shape}": (f"{peer}_ns_per_value.{shape}", f"ns_per_value.{shape}")
        for peer in ("otel_record", "prometheus_observe", "boost_histogram")
        for shape in (_BATCH, _SINGLE)
    },
    **{
        f"numpy/bento_observe.{shape}": (f"ns_per_value.{shape}{_NUMPY}", f"ns_per_value.{shape}")
        for shape in (_BATCH, _SINGLE)
    },
    f"whylogs/bento_observe.{_BATCH}": (f"whylogs_log_ns_per_value.{_BATCH}", f"ns_per_value.{_BATCH}"),
    # Row by row, whylogs' own logger for that is several times cheaper than a frame.
    f"whylogs/bento_observe.{_SINGLE}": (f"whylogs_row_ns_per_value.{_SINGLE}", f"ns_per_value.{_SINGLE}"),
    "evidently_psi/bento_observe.drift100": ("evidently_psi_ms.100", _DRIFT),
    "evidently_psi/bento_observe.drift100_arrays": ("evidently_psi_ms.100", f"{_DRIFT}_arrays"),
    "evidently_psi/bento_observe.drift100_with_counting": ("evidently_psi_ms.100", f"{_DRIFT}_with_counting"),
}
PEERS = {
    "whylogs": (
        f"whylogs_log_ns_per_value.{_BATCH}",
        f"whylogs_log_ns_per_value.{_SINGLE}",
        f"whylogs_row_ns_per_value.{_SINGLE}",
    ),
    "evidently": ("evidently_psi_ms.100",),
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, without whylogs and evidently; under 45 s")
    quick = parser.parse_args().quick
    rounds = 15 if quick else 20
    with ExitStack() as stack:
        peers = {} if quick else _separate_peers(stack)
        progress("profiling the reference data")
        references = References()
        sizes = memory(references.numeric[_FEATURES])
        peers |= _near_peers(references, quick)
        measured = _measure({**cases(references), **peers}, rounds)
    minima = {**_derived({name: min(values) for name, values in measured.items()}), **sizes}
    medians = {**_derived({name: statistics.median(values) for name, values in measured.items()}), **sizes}
    ours = sorted(set(minima) - set(peers))
    _table(f"Feature statistics, {rounds} rounds", ours, minima, medians, AT_MOST)
    _table("Peers", sorted(peers), minima, medians, AT_MOST)
    ratios, median_ratios = _ratios(minima), _ratios(medians)
    _table("Peers' cost over ours", list(ratios), ratios, median_ratios, AT_LEAST)
    json_line(
        "feature_statistics",
        {**minima, **{f"{name}.median": medians[name] for name in medians if name not in sizes}},
        {**ratios, **{f"{name}.median": value for name, value in median_ratios.items()}},
    )


def _near_peers(references: References, quick: bool) -> dict[str, Case]:
    edges = references.edges(_FEATURES)
    rows = {_BATCH: matrix(50 if quick else 1000, _FEATURES), _SINGLE: matrix(20, _FEATURES)}
    found: dict[str, Case] = {}
    for shape, data in rows.items():
        found[f"otel_record_ns_per_value.{shape}"] = otel_record(data, edges[0])
        found[f"prometheus_observe_ns_per_value.{shape}"] = prometheus_observe(data, edges[0])
    if find_spec("boost_histogram") is None:
        progress("boost-histogram is not installed and left out: pip install 'bento-observe[bench]'")
        return found
    library = import_module("boost_histogram")
    found[f"boost_histogram_ns_per_value.{_BATCH}"] = boost_histogram(library, matrix(1000, 100), edges, batch=True)
    found[f"boost_histogram_ns_per_value.{_SINGLE}"] = boost_histogram(library, rows[_SINGLE], edges, batch=False)
    return found


def _separate_peers(stack: ExitStack) -> dict[str, Case]:
    found: dict[str, Case] = {}
    for name, figures in PEERS.items():
        try:
            peer = stack.enter_context(Peer(name))
        except PeerError as error:
            progress(f"{error}; left out")
            continue
        found.update({figure: peer.case(figure) for figure in figures})
    return found


def _measure(running: Mapping[str, Case], rounds: int) -> dict[str, list[float]]:
    measured: dict[str, list[float]] = {name: [] for name in running}
    order = random.Random(0)
    began = time.monotonic()
    for index in range(rounds):
        for name in order.sample(list(running), len(running)):
            gc.collect()
            gc.disable()
            measured[name].append(running[name]())
            gc.enable()
        progress(f"round {index + 1}/{rounds}, {time.monotonic() - began:.0f} s")
    return measured


def _derived(figures: dict[str, float]) -> dict[str, float]:
    """`figures`, and those that others of them make."""
    steps = [value for name, value in figures.items() if name.startswith("flush_step_ms_max.") and _NUMPY not in name]
    return {
        **figures,
        "cpu_us.1x100": figures["ns_per_value.1x100"] * _FEATURES / 1e3,
        "flush_step_ms_max": max(steps),
    }


def _ratios(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: figures[a] / figures[b] for name, (a, b) in RATIOS.items() if a in figures and b in figures}


def _table(
    title: str,
    names: Sequence[str],
    minima: Mapping[str, float],
    medians: Mapping[str, float],
    targets: Mapping[str, float],
) -> None:
    """Prints those figures, with their targets, and which of them the median misses."""
    at_most = targets is AT_MOST
    rows = []
    for name in names:
        target = targets.get(name)
        wanted = "" if target is None else f"{'<=' if at_most else '>='} {target:g}"
        missed = target is not None and (medians[name] > target if at_most else medians[name] < target)
        rows.append((name, _number(minima[name]), _number(medians[name]), wanted, "missed" if missed else ""))
    table(title, ("", "minimum", "median", "target", ""), rows)


def _number(value: float) -> str:
    return f"{value:,.3f}" if value < 100 else f"{value:,.0f}"


if __name__ == "__main__":
    main()
