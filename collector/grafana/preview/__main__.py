"""Pictures of all dashboards: `python -m collector.grafana.preview`, or `make dashboards-preview`.

Starts a stack and a service with some minutes of traffic of its own; with `--prometheus`, `--elasticsearch` and
`--jaeger` it asks servers that run already about `--service`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from bento_observe.stack import StackError
from collector.grafana.preview import Sources, Window, load, run
from collector.grafana.preview._stage import EXPORT_SECONDS, SERVICE, stage
from collector.grafana.preview.pictures import draw

_GRAFANA = Path(__file__).resolve().parents[1]
_DOCS = _GRAFANA.parents[1] / "docs" / "dashboards"
_FEATURE = {"signal": "input", "feature": "amount"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures; 1 if a query of a dashboard was refused."""
    options = _arguments(arguments)
    if options.prometheus:
        sources = Sources(options.prometheus, options.elasticsearch, options.jaeger, options.interval)
        return _draw_all(sources, time.time() - 60 * options.minutes, options)
    try:
        with stage(options.minutes, partial(click.echo, err=True)) as (running, began):
            sources = Sources(running.prometheus, running.elasticsearch, running.jaeger, f"{EXPORT_SECONDS}s")
            return _draw_all(sources, began, options)
    except (StackError, OSError) as error:
        click.echo(error, err=True)
        return 1


def _draw_all(sources: Sources, began: float, options: argparse.Namespace) -> int:
    window = Window(began, time.time())
    complaints = []
    options.out.mkdir(parents=True, exist_ok=True)
    for file in sorted((_GRAFANA / "dashboards").glob("*.json")):
        dashboard = load(file)
        feature = any(variable["name"] == "feature" for variable in dashboard.variables)
        opened = run(dashboard, sources, window, {"service": options.service, **(options.choose if feature else {})})
        answers = [answer for shown in opened.panels for answer in shown.answers]
        complaints += [f"{dashboard.uid}: {answer.complaint()}" for answer in answers if answer.complaint()]
        path = options.out / f"{file.stem}.png"
        draw(opened, path)
        filled = sum(answer.has_data for answer in answers)
        size = path.stat().st_size / 1000
        click.echo(f"{path}: {size:.0f} kB, {filled} of {len(answers)} queries have data")
    for complaint in complaints:
        click.echo(complaint, err=True)
    return 1 if complaints else 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dashboards-preview", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=_DOCS, help="where to write the pictures [docs/dashboards]")
    parser.add_argument("--minutes", type=float, default=5.0, help="of traffic, or to look back [%(default)s]")
    parser.add_argument("--prometheus", default="", help="URL of a Prometheus that runs already")
    parser.add_argument("--elasticsearch", default="http://127.0.0.1:9200", help="its Elasticsearch [%(default)s]")
    parser.add_argument("--jaeger", default="http://127.0.0.1:16686", help="its Jaeger [%(default)s]")
    parser.add_argument("--interval", default="60s", help="how often its services send metrics [%(default)s]")
    parser.add_argument("--service", default=SERVICE, help="which service to show [%(default)s]")
    parser.add_argument(
        "--choose", metavar="NAME=VALUE", nargs="*", default=[f"{key}={value}" for key, value in _FEATURE.items()],
        help="variables of the dashboard of a feature [signal=input feature=amount]",
    )  # fmt: skip
    parsed = parser.parse_args(arguments)
    parsed.choose = dict(pair.split("=", 1) for pair in parsed.choose)
    return parsed


if __name__ == "__main__":
    sys.exit(main())
