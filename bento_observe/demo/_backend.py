"""Where the telemetry goes and is read back from: what the embedded receiver and the real servers have in common."""

from __future__ import annotations

from typing import Protocol

from bento_observe.demo._checks import Counts
from bento_observe.dev.pictures import Bar, Buckets

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
