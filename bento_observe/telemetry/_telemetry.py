"""One process's telemetry as a whole: started once per worker, shut down once, within a deadline."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from bento_observe.settings import SIGNALS, Settings
from bento_observe.telemetry import _resource, _sampling, _transport
from bento_observe.telemetry._exports import ExportTimes
from bento_observe.telemetry._health import Health
from bento_observe.telemetry._logs import LogSource, OtlpHandler, keep_out, kept_out
from bento_observe.telemetry._own import OwnMetrics
from bento_observe.telemetry._pipeline import MetricProducer, Pipeline, Source
from bento_observe.telemetry._providers import Providers
from bento_observe.telemetry._queue import SignalQueue
from bento_observe.telemetry._sender import Sender
from bento_observe.telemetry._transport import Transport

__all__ = ["Telemetry"]


_ENCODER_SHARE = 0.5  # of the time for shutting down; it takes a small part of it unless something hangs


class Telemetry:
    """Queues, threads and providers of one process.

    `queues` holds a queue for each signal that is sent at all, and those of `queue_beside`. Nothing runs
    before `start`, and `shutdown` is final.
    """

    def __init__(self, settings: Settings, identity: _resource.Identity) -> None:
        self.settings = settings
        self.health = Health()
        self.resource = _resource.create(identity)
        self.sampled = _sampling.decision(settings.sampler, settings.sampler_ratio)
        delta = settings.temporality != "cumulative"
        self.queues: dict[str, SignalQueue] = {}
        self._senders: list[Sender] = []
        self._exports = ExportTimes(settings)
        self._encoded = _resource.encoded(self.resource)
        for signal in SIGNALS:
            if settings.endpoint(signal).exporter != "none":
                self._open(signal, signal)
        self._pipeline = Pipeline(
            self.queues.get("metrics"), settings.flush_interval, settings.metric_interval, delta, self.health
        )
        self._pipeline.add(producer=OwnMetrics(self.health, self.queues, self._exports).collect)
        self.providers = Providers(
            self.resource, _sampling.sdk_sampler(settings.sampler, settings.sampler_ratio), settings.temporality
        )
        self.providers.connect(self._pipeline, self.queues.get("traces"), self.queues.get("logs"), self.health)
        self.log_handler: logging.Handler | None = None
        if "logs" in self.queues:
            logs = LogSource(self.queues["logs"], self.health)
            self._pipeline.add(source=logs)
            self.log_handler = OtlpHandler(logs, settings.log_level)
        self._shut_down = threading.Lock()
        self._fork_told = False

    def add(self, source: Source | None = None, producer: MetricProducer | None = None) -> None:
        """Serve one more source of records or producer of metrics; call before `start`."""
        self._pipeline.add(source, producer)

    def queue_beside(self, signal: str, name: str) -> SignalQueue | None:
        """One more queue, of what goes where `signal` does: neither keeps the other from being sent. None where that
        is sent nowhere. Call before `start`."""
        return self._open(signal, name) if signal in self.queues else None

    def _open(self, signal: str, name: str) -> SignalQueue:
        queue = self.queues[name] = SignalQueue(name, self.settings.queue_bytes, self.health)
        timeout = self.settings.endpoint(signal).timeout
        connect = _connect(signal, self.settings)
        sender = Sender(queue, connect, self._encoded, timeout, self.health, self._exports, signal)
        self._senders.append(sender)
        return queue

    def start(self, *, install: bool = True) -> None:
        """Start the threads and, unless `install` is false, make the providers global."""
        if install:
            self.providers.install()
        os.register_at_fork(after_in_parent=self._forked, after_in_child=self._in_child)
        for sender in self._senders:
            sender.start()
        self._pipeline.start()

    def _forked(self) -> None:
        if not self._fork_told:
            self._fork_told = True
            self.health.tell("fork", "this worker has forked a process; what that records itself is not sent")

    def _in_child(self) -> None:
        """The threads that send stayed behind: what is recorded here would pile up for nobody."""
        self.health.enter_child()
        self._exports.enter_child()
        self.providers.enter_child()
        self._pipeline.close()

    def shutdown(self) -> None:
        """Send everything and stop, in at most `settings.shutdown_timeout` seconds; blocks. What is left is counted."""
        if not self._shut_down.acquire(blocking=False):
            return
        with kept_out():
            deadline = time.monotonic() + self.settings.shutdown_timeout
            self._pipeline.stop(self.settings.shutdown_timeout * _ENCODER_SHARE)
            for sender in self._senders:
                sender.stop(deadline)
            for sender in self._senders:
                sender.join()


def _connect(signal: str, settings: Settings) -> Callable[[], Transport]:
    def connect() -> Transport:
        keep_out()  # runs in the sender's thread
        transport = _transport.create(signal, settings.endpoint(signal))
        assert transport is not None
        return transport

    return connect
