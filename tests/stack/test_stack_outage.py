"""Backends and Collector that go away: what was accepted meanwhile is delivered."""

from __future__ import annotations

import pytest
import stack_signals as otlp

from bento_observe.stack import Running, Stack
from bento_observe.stack.query import elasticsearch_count, jaeger_spans, prometheus_value

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("collector_log")]

BACKENDS = ["jaeger", "prometheus", "elasticsearch"]


def _send_everything(running: Running, service: str) -> None:
    for first in range(0, 100, 10):
        otlp.send(running, otlp.spans(service, traces=10, spans_each=2))
        otlp.send(running, otlp.logs(service, [{"number": number} for number in range(first, first + 10)]))
        otlp.send(running, otlp.counter(service, first + 10))


def _assert_all_arrived(running: Running, service: str) -> None:
    counter = f'stack_test_requests_total{{service_name="{service}"}}'
    otlp.eventually(lambda: len(jaeger_spans(running.jaeger, service)), 200)
    otlp.eventually(lambda: prometheus_value(running.prometheus, counter), 100.0)
    otlp.eventually(
        lambda: elasticsearch_count(running.elasticsearch, "logs-bentoml.otel-*", f'service.name:"{service}"'), 100
    )


EVERYTHING = [*BACKENDS, "alertmanager", "otelcol"]


@pytest.mark.parametrize("crashed", [*([name] for name in BACKENDS), BACKENDS, EVERYTHING], ids="+".join)
def test_what_is_sent_while_servers_are_dead_arrives_when_they_are_back(stack: Stack, crashed: list[str]) -> None:
    """Killed backends, and even the Collector killed with a full queue, cost no span, no sample and no log record."""
    running = stack.running()
    assert running is not None
    service = otlp.new_service()
    for name in crashed:
        if name != "otelcol":
            stack.crash(name)
    _send_everything(running, service)
    if "otelcol" in crashed:
        stack.crash("otelcol")
    again = stack.up()
    # With one survivor the stack is where it was; a new one chooses its ports anew.
    assert (again == running) == ("otelcol" not in crashed)
    _assert_all_arrived(again, service)


def test_data_survives_down_and_up(stack: Stack) -> None:
    """What was there before an orderly stop is there after the next start."""
    before = stack.running()
    assert before is not None
    service = otlp.new_service()
    _send_everything(before, service)
    _assert_all_arrived(before, service)
    assert stack.down()
    assert stack.running() is None
    _assert_all_arrived(stack.up(), service)


def test_a_stop_in_the_middle_of_an_outage_loses_nothing(stack: Stack) -> None:
    """A Collector that has to be killed, because it cannot deliver to Elasticsearch, delivers after the next start."""
    running = stack.running()
    assert running is not None
    service = otlp.new_service()
    stack.crash("elasticsearch")
    _send_everything(running, service)
    assert stack.down()
    _assert_all_arrived(stack.up(), service)


def test_metrics_of_a_long_outage_are_taken_among_newer_ones(stack: Stack) -> None:
    """After a night without Prometheus the Collector delivers samples that are hours older than the newest."""
    running = stack.running()
    assert running is not None
    service = otlp.new_service()
    selector = f'stack_test_requests_total{{service_name="{service}"}}'
    otlp.send(running, otlp.counter(service, 20))
    otlp.eventually(lambda: prometheus_value(running.prometheus, selector), 20.0)
    otlp.send(running, otlp.counter(service, 10, seconds_ago=20 * 3600))
    otlp.eventually(lambda: prometheus_value(running.prometheus, f"min_over_time({selector}[1d])"), 10.0)
