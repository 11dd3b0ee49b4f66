"""Is the service there, does it answer, fast enough, and is anybody asking?"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.alerts._collector import backlog, collector_gone
from collector.alerts._definition import OF, Alert, Link, Number
from collector.alerts._policy import Burn, Policy
from collector.alerts._recording import ERRORS, SLOW, failures, ratio
from collector.alerts._series import SERVICE_LABELS, by, label_name, metric_name

__all__ = ["service_alerts"]

_WORKERS: Final = metric_name(semconv.PROCESS_MEMORY_USAGE)
_CPU: Final = metric_name(semconv.PROCESS_CPU_TIME)
_REQUESTS: Final = f"{metric_name(semconv.REQUEST_DURATION)}_count"
_STAGE: Final = metric_name(semconv.STAGE_DURATION)
_SERVICE: Final = by(SERVICE_LABELS)
_MEMORY: Final = "1h"
_NAME: Final = label_name(semconv.SERVICE_NAME)
_VARIABLES: Final = {
    "environment": label_name(semconv.DEPLOYMENT_ENVIRONMENT_NAME),
    "namespace": label_name(semconv.SERVICE_NAMESPACE),
    "service": _NAME,
}
_FAILED: Final = {"tags": '{"error":"true"}'}


def service_alerts(policy: Policy) -> list[Alert]:
    """The alerts of services."""
    return [
        _down(policy),
        *(_burn(burn, policy, of) for of in (ERRORS, SLOW) for burn in policy.burns),
        _waiting(policy),
        _busy(policy),
        _no_traffic(policy),
    ]


def _link(**traces: str) -> Link:
    return Link("bento-observe-service", _VARIABLES, traces)


def _alive(window: str, selector: str = "") -> str:
    return f"{by(SERVICE_LABELS, 'count')} (present_over_time({_WORKERS}{{{selector}}}[{window}]))"


def _down(policy: Policy) -> Alert:
    now = policy.silent_window
    alive, known = _alive(now), _alive(_MEMORY)
    every = f"0 * {_alive(_MEMORY, OF)} + on () group_left ()"
    return Alert(
        "ServiceDown",
        "service",
        "page",
        SERVICE_LABELS,
        f"{known}\nunless on ({', '.join(SERVICE_LABELS)}) {alive}\nunless on () {collector_gone(now)}\n"
        f"unless on () {backlog(now, policy)}",
        policy.wait("1m"),
        f"{{{_NAME}}} is down: no worker is heard of",
        f"In the last hour {{value}} workers of {{{_NAME}}} sent telemetry; for {{silent}} now none has.{{others}}"
        "{all}",
        "Is the process or the pod there, and what were its last log lines? If it was stopped on purpose, silence "
        "this: it ends by itself an hour after the last sign of life.",
        {
            "value": Number("count"),
            "silent": Number(
                "seconds",
                f"time() - {by(SERVICE_LABELS, 'max')} (max_over_time(timestamp({_WORKERS}{{{OF}}})[1h:15s]))",
            ),
            "others": Number(
                "count",
                f"{every} count({alive})",
                " Services still heard of: ",
                ", so it is not the telemetry of all that stopped.",
            ),
            "all": Number(
                "count",
                f"{every} (count({known}) > 1 unless count({alive}))",
                " None of the ",
                " services that were heard of in that hour still is: their way to the Collector, or from there to "
                "Prometheus, is more likely to be what stopped.",
            ),
        },
        _link(),
        "one worker",
        ends="Either a worker is heard of again, or none has been for an hour, and the service is taken to be gone.",
    )


def _burn(burn: Burn, policy: Policy, of: str) -> Alert:
    errors = of == ERRORS
    budget = 1 - policy.objective
    most = f"{burn.rate * budget:.6g}"
    name = "ErrorBudgetBurn" if errors else "LatencyBudgetBurn"
    what = "fail" if errors else f"take longer than {policy.fast_seconds:g} s"
    whose = "requests" if errors else "successful requests"
    expression = (
        f"(\n  {ratio(of, burn.long, policy)} > {most}\n)\n"
        f"and (\n  {ratio(of, burn.short, policy)} > {most}\n)\n"
        f"and (\n  {failures(of, burn.long, policy)} >= {policy.least_failures}\n)"
    )
    first = (
        "Which route and which error.type has them, and since which version; then a trace of one of them, and its logs."
        if errors
        else "Which stage takes the time: decode, queue, predict or encode; then one of the slow traces."
    )
    return Alert(
        name,
        "service",
        burn.severity,
        SERVICE_LABELS,
        expression,
        policy.wait("2m" if burn.severity == "page" else "15m"),
        f"{{{_NAME}}}: {{value}} of {whose} {what}",
        f"{{value}} of the {whose} of {{{_NAME}}} {what} over {burn.long} ({{failures}} requests), and {{short}} over "
        f"{burn.short}. The objective allows {100 * budget:g}%: at {burn.rate:g} times that, a month's "
        f"budget lasts {30 / burn.rate:.3g} days.",
        first,
        {
            "value": Number("share"),
            "short": Number("share", ratio(of, burn.short, policy, OF)),
            "failures": Number("count", failures(of, burn.long, policy, OF)),
        },
        _link(**(_FAILED if errors else {"minDuration": f"{policy.fast_seconds:g}s"})),
        f"{policy.least_failures} such requests in {burn.long}",
        more={"burn": burn.name},
    )


def _mean_stage(stage: str, window: str, selector: str = "") -> str:
    of = f'{{{selector + "," if selector else ""}{label_name(semconv.API_STAGE)}="{stage}"}}'
    return f"({_SERVICE} (rate({_STAGE}_sum{of}[{window}])) / {_SERVICE} (rate({_STAGE}_count{of}[{window}])))"


def _waiting(policy: Policy) -> Alert:
    window = policy.saturation_window
    calls = (
        f'{_SERVICE} (increase({_STAGE}_count{{{label_name(semconv.API_STAGE)}="{semconv.STAGE_QUEUE}"}}[{window}]))'
    )
    queue, predict = (_mean_stage(stage, window) for stage in (semconv.STAGE_QUEUE, semconv.STAGE_PREDICT))
    return Alert(
        "Saturation",
        "service",
        "ticket",
        SERVICE_LABELS,
        f"(\n  {queue} > {policy.longest_wait_seconds:g}\n)\n> {predict}\nand {calls} >= {policy.least_calls}",
        policy.wait("10m"),
        f"{{{_NAME}}}: requests wait longer than they are worked on",
        f"Over {window} a call of {{{_NAME}}} waited {{value}} for a thread or a batch, and its model worked "
        f"{{predict}}.",
        "Requests in flight and batch sizes: more replicas, more workers, or a larger max_batch_size.",
        {
            "value": Number("seconds"),
            "predict": Number("seconds", _mean_stage(semconv.STAGE_PREDICT, window, OF)),
        },
        _link(minDuration=f"{policy.longest_wait_seconds * 2:g}s"),
        f"{policy.least_calls} calls in {window}",
        more={"resource": "queue"},
    )


def _busy(policy: Policy) -> Alert:
    window = policy.saturation_window
    return Alert(
        "Saturation",
        "service",
        "ticket",
        SERVICE_LABELS,
        f"(\n  {_SERVICE} (rate({_CPU}[{window}]))\n  / {_alive(window)}\n) > {policy.most_cpu:g}",
        policy.wait("15m"),
        f"{{{_NAME}}}: its workers have no CPU time left",
        f"Over {window} each worker of {{{_NAME}}} ({{workers}} of them) used {{value}} cores. A Python worker has "
        "one for "
        "its event loop and its handlers; what runs in native threads may use more.",
        "Latency and requests in flight: if both have grown, more workers or replicas; if not, nothing is wrong.",
        {"value": Number("figure"), "workers": Number("count", _alive(window, OF))},
        _link(),
        "one worker",
        more={"resource": "cpu"},
    )


def _no_traffic(policy: Policy) -> Alert:
    window, service = policy.traffic_window, ", ".join(SERVICE_LABELS)
    before = f"{_SERVICE} (increase({_REQUESTS}[{_MEMORY}] offset {window}))"
    return Alert(
        "NoTraffic",
        "service",
        "ticket",
        SERVICE_LABELS,
        f"(\n  {before} >= {policy.least_requests}\n)\n"
        f"unless on ({service}) (\n  {_SERVICE} (increase({_REQUESTS}[{window}])) > 0\n)\n"
        f"and on ({service}) {_alive(policy.silent_window)}",
        policy.wait("2m"),
        f"{{{_NAME}}} gets no requests any more",
        f"In the hour before, {{{_NAME}}} had {{value}} requests; in the last {window} none. Its workers "
        f"({{workers}}) are "
        "there and send telemetry.",
        "What is in front of it: ingress, load balancer, DNS, the client's last deployment. Health checks do not count "
        "as requests.",
        {
            "value": Number("count"),
            "workers": Number("count", _alive(policy.silent_window, OF)),
        },
        _link(),
        f"{policy.least_requests} requests in the hour before",
        ends="Either there are requests again, or there have been few or none for an hour, or its workers are gone.",
    )
