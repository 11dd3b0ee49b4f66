"""`OTEL_TRACES_SAMPLER` twice: as one quick decision for a request, and as the SDK's sampler for the user's spans."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.sdk.trace import sampling

__all__ = ["decision", "sdk_sampler"]

Decision = Callable[[bytes, bool | None], bool]
"""(trace id, whether the caller sampled it: None without a caller) -> whether to sample."""


def sdk_sampler(name: str, ratio: float) -> sampling.Sampler:
    """The SDK's sampler of that name; `ratio` is a share from 0 to 1."""
    roots: dict[str, sampling.Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(ratio),
    }
    root = roots[name.removeprefix("parentbased_")]
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root


def decision(name: str, ratio: float) -> Decision:
    """The same decision as `sdk_sampler` takes, without its objects; equal trace ids are decided alike everywhere."""
    bound = {
        "always_on": 1 << 64,
        "always_off": 0,
        "traceidratio": sampling.TraceIdRatioBased.get_bound_for_rate(ratio),
    }[name.removeprefix("parentbased_")]

    def by_id(trace_id: bytes) -> bool:
        return int.from_bytes(trace_id[8:], "big") < bound

    if name.startswith("parentbased_"):
        return lambda trace_id, parent: by_id(trace_id) if parent is None else parent
    return lambda trace_id, parent: by_id(trace_id)
