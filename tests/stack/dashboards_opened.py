"""The dashboards opened in many ways over the scene, as people would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dashboards_scene import ODD, PLAIN, SHOP, WINE, Scene

from bento_observe.stack._assets import collector_dir
from bento_observe.stack.query import prometheus_value
from collector.grafana.preview import Answer, Dashboard, Run, Shown, Sources, Window, load, run

__all__ = ["DASHBOARDS", "OPENED", "Runs", "answers", "open_all", "panel", "panels", "sources"]

DASHBOARDS: Final[list[Dashboard]] = [
    load(file) for file in sorted((collector_dir() / "grafana" / "dashboards").glob("*.json"))
]
OPENED: Final[dict[str, dict[str, str]]] = {
    "a number": {"service": SHOP, "signal": "input", "feature": "amount"},
    "an odd name": {"service": SHOP, "signal": "input", "feature": ODD},
    "text": {"service": SHOP, "signal": "input", "feature": "country"},
    "what the model saw": {"service": SHOP, "signal": "feature", "feature": "log_amount"},
    "a class": {"service": SHOP, "signal": "prediction", "feature": "class"},
    "a confidence": {"service": SHOP, "signal": "prediction", "feature": "confidence"},
    "a label": {"service": SHOP, "signal": "label", "feature": "outcomes"},
    "a vector": {"service": SHOP, "signal": "input", "feature": "norm", "api": "embed"},
    "a slice": {"service": SHOP, "signal": "prediction", "feature": "class", "slice": "de"},
    "a day": {"service": SHOP, "signal": "input", "feature": "amount", "window": "24h"},
    "one API, one version": {"service": SHOP, "signal": "input", "feature": ODD, "api": "classify", "version": "2"},
    "no reference": {"service": PLAIN, "signal": "input", "feature": ODD},
    "the example": {"service": WINE, "signal": "input", "feature": "alcohol"},
}
"""What each dashboard is opened with; what is not said is as Grafana chooses it."""

Runs = Mapping[str, Sequence[Run]]
"""By the name of each way of opening them."""

Where = tuple[str, str, str]
"""Dashboard, panel, query."""


_POINT: Final = 60.0


def open_all(scene: Scene) -> Runs:
    """Every dashboard opened in every way, as a minute after all is over, or after the service that is shown ended.

    The data sources are as they are provisioned: rates over four minutes at least, and a point a minute, which is why
    the last one may be a minute back.
    """
    now = prometheus_value(scene.running.prometheus, "time()")
    found: dict[str, list[Run]] = {}
    seen: set[tuple[str, str]] = set()
    for name, wanted in OPENED.items():
        found[name] = []
        for dashboard in DASHBOARDS:
            # What shows a service as a whole is the same with whatever feature it is opened.
            whole = not {"signal", "window"} & {str(variable["name"]) for variable in dashboard.variables}
            if not whole or (dashboard.uid, wanted["service"]) not in seen:
                window = Window(scene.start, scene.ends.get(wanted["service"], now) + _POINT)
                found[name].append(run(dashboard, sources(scene, "60s"), window, wanted))
            seen.add((dashboard.uid, wanted["service"]))
    return found


def sources(scene: Scene, interval: str) -> Sources:
    """The servers of the scene, to which services send as often as `interval`."""
    return Sources(scene.running.prometheus, scene.running.elasticsearch, scene.running.jaeger, interval)


def panels(opened: Sequence[Run]) -> Iterator[tuple[Run, Shown]]:
    """All panels that ask for something, with their dashboards."""
    return ((one, shown) for one in opened for shown in one.panels if shown.panel.queries)


def answers(runs: Runs) -> Iterator[tuple[Where, Answer]]:
    """All answers, those of annotations included."""
    for opened in runs.values():
        for one, shown in panels(opened):
            yield from (((one.dashboard.uid, shown.panel.title, answer.ref), answer) for answer in shown.answers)
        for one in opened:
            yield from (((one.dashboard.uid, "annotation", answer.ref), answer) for answer in one.annotations)


def panel(runs: Runs, name: str, uid: str, title: str) -> Shown:
    (found,) = [
        shown
        for one, shown in panels(runs[name])
        if (one.dashboard.uid, shown.panel.title) == (f"bento-observe-{uid}", title)
    ]
    return found
