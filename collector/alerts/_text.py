"""The texts of alerts as templates, for Prometheus and for Grafana.

Both have Go's templates, but neither has what the other uses for further numbers: Prometheus asks for them when an
alert is told, Grafana has evaluated them with the condition. Labels are only ever printed, quoted for a query, or
escaped for a link, so that no name of a feature can break a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from collector.alerts._definition import OF, VALUE, Alert, Link, Number
from collector.alerts._model import MODEL, VERSION
from collector.alerts._series import FEATURE

__all__ = ["grafana_annotations", "labels_of", "prometheus_annotations"]

_FORMATS: Final = {
    "figure": 'printf "%.3g"',
    "count": 'printf "%.0f"',
    "share": "humanizePercentage",
    "seconds": "humanizeDuration",
}
_FIELD: Final = re.compile(r"{(\w+)}")
_RUNBOOK: Final = "docs/runbook.md"
_DEFAULTS: Final = {"grafana": "http://localhost:3001", "jaeger": "http://localhost:16686"}

_TIMES: Final = {"page": "from=now-3h&to=now", "ticket": "from=now-24h&to=now", "none": "from=now-3h&to=now"}
"""What a link shows, where it is not put into a message, which has it begin before the alert: a ticket may lie."""

_ABSENT: Final = {FEATURE: "rows", MODEL: "the model"}
"""What is said where the label is missing: rows that could not be read have no feature, and few models a name."""

_Render = Callable[[str], str]


def prometheus_annotations(alert: Alert) -> dict[str, str]:
    """Annotations for a rule of Prometheus; base URLs are external labels (see prometheus/prometheus.yaml)."""
    texts = _annotations(alert, lambda field: _prometheus_field(alert, field), _prometheus_base, _prometheus_runbook())
    matchers = ",".join(f"{label}=%q" for label in alert.labels)
    values = " ".join(f'(index .Labels "{label}")' for label in alert.labels)
    of = f"{{{{ $of := printf `{matchers}` {values} }}}}" if alert.labels else "{{ $of := `` }}"
    return {key: f"{of}{text}" if "$of" in text else text for key, text in texts.items()}


def grafana_annotations(alert: Alert) -> dict[str, str]:
    """Annotations for a rule of Grafana; base URLs are environment variables, put in when the file is provisioned."""
    return _annotations(
        alert,
        lambda field: _grafana_field(alert, field),
        lambda name: f"${{{name.upper()}_URL}}",
        "${RUNBOOK_URL}",
    )


def _annotations(alert: Alert, render: _Render, base: _Render, runbook: str) -> dict[str, str]:
    def filled(text: str) -> str:
        return _FIELD.sub(lambda match: render(match[1]), text)

    def page(link: Link) -> str:
        variables = "&".join(f"var-{name}={_escaped(label)}" for name, label in link.variables.items())
        return f"{base('grafana')}/d/{link.dashboard}?{_TIMES[alert.severity]}&{variables}".rstrip("&")

    dashboard = page(alert.link)
    if alert.link.needs and alert.overview:
        there = f'{{{{ if index .Labels "{alert.link.needs}" }}}}'
        dashboard = f"{there}{dashboard}{{{{ else }}}}{page(alert.overview)}{{{{ end }}}}"

    texts = {
        "summary": filled(alert.summary),
        "description": filled(alert.description),
        "look_first": filled(alert.look_first),
        "held": alert.wait,
        "ends": alert.ends,
        "dashboard": dashboard,
        "runbook": f"{runbook}#{alert.name.lower()}",
    }
    if alert.overview:
        texts["overview"] = page(alert.overview)
    if "service" in alert.link.variables and alert.group != "telemetry":
        asked = "".join(f"&{key}={quote(value, safe='')}" for key, value in alert.link.traces.items())
        service = _escaped(alert.link.variables["service"])
        texts["traces"] = f"{base('jaeger')}/search?service={service}&lookback=1h&limit=20{asked}"
    return texts


def _label(name: str) -> str:
    # Not .Labels.name: where there is none, Grafana would write [no value].
    if name in _ABSENT:
        return f'{{{{ or (index .Labels "{name}") "{_ABSENT[name]}" }}}}'
    if name == VERSION:  # with the space before it, if there is one
        return f'{{{{ with index .Labels "{name}" }}}} {{{{ . }}}}{{{{ end }}}}'
    return f'{{{{ index .Labels "{name}" }}}}'


def _escaped(name: str) -> str:
    return f'{{{{ index .Labels "{name}" | urlquery }}}}'


def _number(alert: Alert, field: str) -> Number | None:
    if field in alert.numbers:
        return alert.numbers[field]
    assert field in (*alert.labels, *alert.more), f"{alert.name}: {{{field}}} is neither a number nor a label"
    return None


def _prometheus_field(alert: Alert, field: str) -> str:
    number = _number(alert, field)
    if number is None:
        return _label(field)
    form = _FORMATS[number.kind]
    if field == VALUE:
        return f"{{{{ .Value | {form} }}}}"
    assert not {"`", "%"} & set(number.expression)
    template = number.expression.replace(OF, "%[1]s")
    asked = f"{{{{ with query (printf `max({template})` $of) }}}}"
    missing = "" if number.before or number.after else "{{ else }}?"
    return f"{asked}{number.before}{{{{ . | first | value | {form} }}}}{number.after}{missing}{{{{ end }}}}"


def _grafana_field(alert: Alert, field: str) -> str:
    number = _number(alert, field)
    if number is None:
        return _label(field)
    if field == VALUE:
        return f'{{{{ (index .Values "A").Value | {_FORMATS[number.kind]} }}}}'
    value = f'(index .Values "{field}")'
    missing = "" if number.before or number.after else "{{ else }}?"
    return (
        f"{{{{ if {value}.Labels }}}}{number.before}{{{{ {value}.Value | {_FORMATS[number.kind]} }}}}"
        f"{number.after}{missing}{{{{ end }}}}"
    )


def _prometheus_base(name: str) -> str:
    return f"{{{{ or (index .ExternalLabels `{name}_url`) `{_DEFAULTS[name]}` }}}}"


def _prometheus_runbook() -> str:
    return f"{{{{ or (index .ExternalLabels `runbook_url`) `{_RUNBOOK}` }}}}"


def labels_of(alert: Alert) -> Mapping[str, str]:
    """What is added to the labels of the alert's series."""
    return {"severity": alert.severity, "about": alert.group, **alert.more}
