"""What dashboards and recording rules cost Prometheus: 100 features in 10 replicas.

    python benchmarks/dashboards.py [--quick]

Starts the stack, and writes 55 minutes of exports, one a minute, of each replica into the real Prometheus, by the
package's own exporter; then, once the rules have recorded, six hours of what they would have recorded, every half
minute, and of the counts that a day is added up from as much as is looked back at, every four minutes. `--quick` writes
12 minutes and one hour, and no counts.

- `query_s.<dashboard>` is the time of all queries of a dashboard, one after the other, with six hours shown; Grafana
  sends them side by side. The median of the rounds. Variables, whose queries come before, are `variables_s`.
- `query_s.model.slowest` is the slowest single query of the model overview.
- `rules_s.<group>` is how long Prometheus says an evaluation of a group took, the median of those within the four
  minutes after which the groups of a day are evaluated again; `rules_s.an_hour` the sum of those that look back an
  hour, `rules_s.all` of all. `--quick` does not wait for those of a day.
- The exit status is 1 if a figure is above its target, which is named then.
- `series` is how many series Prometheus has in memory, `samples` how many were written.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _dashboards.fleet import SERVICE, Fleet, history
from _report import json_line, progress, table

from bento_observe.stack import Running, Stack
from bento_observe.stack.query import prometheus_query, prometheus_value
from collector.grafana.preview import Dashboard, Run, Sources, Window, ask, load, run

FEATURES, REPLICAS = 100, 10
EXPORT_S, RULE_S = 60.0, 30.0
SHOWN_S = 6 * 3600.0
PART_S = 240.0
AT_MOST = {"query_s.model": 1.0, "rules_s.all": 1.0}
_DASHBOARDS = Path(__file__).resolve().parents[1] / "collector" / "grafana" / "dashboards"
_RECORDED = f'{{__name__=~"feature:.+", service_name="{SERVICE}"}}'
_PARTS = {"1h": 3 * 3600.0, "4h": 20 * 3600.0}
"""Recorded counts, and how far back the rules of a day look for them."""

_WAIT_S = 420.0


def main() -> int:
    """Command line; 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="12 minutes of exports, an hour of rules, no rules of a day"
    )
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        stack = Stack(data_dir=Path(folder), ports="free")
        with stack as running:
            figures = _measured(running, quick)
    rows = [
        (name, f"{value:,.3f}" if value < 1000 else f"{value:,.0f}", f"<= {AT_MOST[name]:g}" if name in AT_MOST else "")
        for name, value in figures.items()
    ]
    table(f"Dashboards over {FEATURES} features in {REPLICAS} replicas", ("", "", "target"), rows)
    missed = over(figures)
    for miss in missed:
        progress(miss)
    json_line("dashboards", figures, {})
    return 1 if missed else 0


def over(figures: Mapping[str, float]) -> list[str]:
    """What is above its target, in words; a figure that was not measured is not."""
    return [
        f"{name} is {figures[name]:.3f}, more than {most:g}"
        for name, most in AT_MOST.items()
        if name in figures and figures[name] > most
    ]


def _measured(running: Running, quick: bool) -> dict[str, float]:
    url = running.prometheus
    exports, recorded = (12, 120) if quick else (55, 720)
    began = time.time() - EXPORT_S * exports
    fleet = Fleet(FEATURES, REPLICAS, url)
    for number in range(exports):
        fleet.export(began, began + EXPORT_S * (number + 1))
        progress(f"export {number + 1}/{exports}")
    progress("waiting for the rules")
    groups = _evaluated(url, quick, lambda: fleet.export(began, time.time()))
    samples = prometheus_query(url, _RECORDED)
    last = time.time() - 2 * RULE_S
    progress(f"{recorded} evaluations of {len(samples)} recorded series")
    moments = [last - RULE_S * number for number in reversed(range(recorded))]
    history(url, samples, moments, np.random.default_rng(1))
    fleet.export(began, time.time())
    found = _opened(running, 3 if quick else 7)
    if not quick:
        _counted(url, last)
    groups = {**groups, **_evaluated(url, quick, lambda: fleet.export(began, time.time()))}
    hour = {name: seconds for name, seconds in groups.items() if not name.endswith("_24h")}
    head = ask(f"{url}/api/v1/status/tsdb")["data"]["headStats"]
    return {
        **found,
        **{f"rules_s.{name}": seconds for name, seconds in sorted(groups.items())},
        "rules_s.an_hour": sum(hour.values()),
        **({} if quick else {"rules_s.all": sum(groups.values())}),
        "series": float(head["numSeries"]),
        "samples": prometheus_value(url, f'{exports} * count({{service_name="{SERVICE}"}})') + recorded * len(samples),
    }


def _counted(url: str, until: float) -> None:
    """Writes the counts that the rules of a day add up, as if they had been recorded all day."""
    for window, seconds in _PARTS.items():
        counts = f'{{__name__=~"feature(_bin|_le)?:.+:increase{window}", service_name="{SERVICE}"}}'
        samples = prometheus_query(url, counts)
        progress(f"{seconds / 3600:.0f} h of {len(samples)} series of counts")
        moments = np.arange(until - seconds - PART_S, until, PART_S)
        history(url, samples, moments.tolist(), np.random.default_rng(2))


def _evaluated(url: str, quick: bool, export: Callable[[], None]) -> dict[str, float]:
    """Seconds that an evaluation of each group took, the median from now on until all have been evaluated.

    `export` is called once a minute meanwhile: what no replica sends any more is nothing to Prometheus after five.
    """
    since, began, exported = time.time(), time.monotonic(), 0
    seconds: dict[str, dict[str, float]] = {}
    while True:
        groups: list[Mapping[str, Any]] = ask(f"{url}/api/v1/rules")["data"]["groups"]
        wanted = [group for group in groups if not quick or not group["name"].endswith("_24h")]
        for group in wanted:
            if _seconds(group["lastEvaluation"]) > since:
                seconds.setdefault(group["name"], {})[group["lastEvaluation"]] = float(group["evaluationTime"])
        if len(seconds) == len(wanted):
            return {name: statistics.median(times.values()) for name, times in seconds.items()}
        waited = time.monotonic() - began
        if waited > _WAIT_S:
            raise TimeoutError("the rules were not evaluated")
        if waited > EXPORT_S * (exported + 1):
            export()
            exported += 1
        time.sleep(1)


def _seconds(moment: str) -> float:
    return float(np.datetime64(moment[:19], "s").astype(np.int64)) if not moment.startswith("0001") else 0.0


def _opened(running: Running, rounds: int) -> dict[str, float]:
    """Query times of each dashboard."""
    sources = Sources(running.prometheus, running.elasticsearch, running.jaeger, f"{EXPORT_S:.0f}s")
    found: dict[str, float] = {}
    for file in sorted(_DASHBOARDS.glob("*.json")):
        dashboard = load(file)
        runs = [_timed(dashboard, sources) for _ in range(rounds)]
        found[f"query_s.{file.stem}"] = statistics.median(one.seconds for one, _ in runs)
        found[f"variables_s.{file.stem}"] = statistics.median(elapsed - one.seconds for one, elapsed in runs)
        answers = [answer for shown in runs[-1][0].panels for answer in shown.answers]
        if complaints := [answer.complaint() for answer in answers if answer.complaint()]:
            raise RuntimeError(f"{dashboard.uid}: {complaints[0]}")
        if file.stem == "model":
            found["query_s.model.slowest"] = max(answer.seconds for answer in answers)
            (table,) = [shown for shown in runs[-1][0].panels if shown.panel.title == "Features by drift"]
            if empty := [answer.ref for answer in table.answers if not answer.has_data]:
                raise RuntimeError(f"queries {', '.join(empty)} of the table of the model overview have no data")
        progress(f"{file.stem}: {found[f'query_s.{file.stem}']:.3f} s for {len(answers)} queries")
    return found


def _timed(dashboard: Dashboard, sources: Sources) -> tuple[Run, float]:
    began = time.perf_counter()
    now = time.time()
    wanted = {"service": SERVICE, "signal": "input", "feature": "feature_000"}
    found = run(dashboard, sources, Window(now - SHOWN_S, now), wanted)
    return found, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
