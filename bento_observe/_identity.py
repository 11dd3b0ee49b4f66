"""What BentoML knows of this process."""

from __future__ import annotations

from bentoml._internal.context import server_context

from bento_observe.telemetry import Identity

__all__ = ["identity"]


def identity(service_name: str = "") -> Identity:
    """Who sends; `service_name` where BentoML has not told yet."""
    return Identity(
        service_name=server_context.service_name or service_name or server_context.bento_name or "bentoml",
        bento_name=server_context.bento_name or service_name,
        bento_version="" if server_context.bento_version == "not available" else server_context.bento_version,
        worker_index=server_context.worker_index,
    )
