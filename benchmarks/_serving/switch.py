"""What `BENCHMARK_VARIANT` and `BENCHMARK_PROFILE` make of a service that knows nothing of them."""

from __future__ import annotations

import os
from typing import Any

from _serving import sampler, variants

__all__ = ["watched"]

_VARIANT = os.environ["BENCHMARK_VARIANT"]


def watched(service: Any) -> Any:
    """The service with the telemetry asked for, if any. From now on its process can be told to sample itself."""
    sampler.obey()
    if _VARIANT == variants.PLAIN_MEDIA_TYPE:
        for method in service.apis.values():
            method.output_spec.media_type = method.output_spec.mime_type()
    if _VARIANT in variants.OBSERVED:
        from bento_observe import observe

        return observe(service)
    return service
