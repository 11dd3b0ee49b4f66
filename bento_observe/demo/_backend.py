"""Where the telemetry goes and is read back from: what the embedded receiver and the real servers have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bento_observe.demo._checks import Counts
from bento_observe.dev.pictures import Bar, Buckets
from bento_observe.semconv import Metric

__all__ = ["Backend"]


class Backend(Protocol):
    """Reads back one run of the example service. What is not there yet is an empty answer, never an error."""

    @property
    def endpoint(self) -> str:
        """OTLP over gRPC."""

    @property
    def description(self) -> str:
        """What it is and where, in one line."""

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """For people who want to look themselves: labels, each with a URL or a command."""

    def counts(self, check: str) -> Counts:
        """What has arrived of the check with that name."""

    def typical_trace(self) -> tuple[str, list[Bar]]:
        """A trace's id and spans: of the answered requests to `classify` the one of median duration."""

    def histograms(self, feature: str, split_ns: int) -> tuple[Buckets, Buckets]:
        """The values of an input feature that had been counted at a time (Unix), and those counted after it."""

    def values(self, metric: Metric, by: Sequence[str], at_ns: int | None = None) -> Mapping[tuple[str, ...], float]:
        """A counter's sums or a gauge's maxima over all workers, by the values of attributes, at a time (Unix) or now.

        Points that lack one of the attributes `by` are left out.
        """
