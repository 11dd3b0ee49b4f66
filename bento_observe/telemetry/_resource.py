"""Who sends: the resource of one worker process."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass

from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from bento_observe import semconv, wire
from bento_observe._version import __version__

__all__ = ["Identity", "create", "encoded"]


@dataclass(frozen=True)
class Identity:
    """What BentoML knows of this process. `bento_version` is empty where the service is served from source."""

    service_name: str
    bento_name: str = ""
    bento_version: str = ""
    worker_index: int | None = None


def create(identity: Identity) -> Resource:
    """The resource: BentoML's names, over them `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`.

    `service.instance.id` is always a fresh uuid: BentoML's worker index is used again after a crash, and a value from
    the environment is shared by all workers, whose cumulative metrics would then overwrite each other.
    """
    own: dict[str, str | int] = {
        semconv.SERVICE_NAME: identity.service_name,
        semconv.HOST_NAME: socket.gethostname(),
        semconv.PROCESS_PID: os.getpid(),
        semconv.TELEMETRY_DISTRO_NAME: "bento-observe",
        semconv.TELEMETRY_DISTRO_VERSION: __version__,
    }
    if identity.bento_name:
        own[semconv.SERVICE_NAMESPACE] = identity.bento_name
    if identity.bento_version:
        own[semconv.SERVICE_VERSION] = identity.bento_version
    if identity.worker_index is not None:
        own[semconv.WORKER_INDEX] = identity.worker_index
    instance = Resource({semconv.SERVICE_INSTANCE_ID: str(uuid.uuid4())})
    return Resource.create(own).merge(OTELResourceDetector().detect()).merge(instance)


def encoded(resource: Resource) -> bytes:
    """The `resource` field of a Resource* message."""
    return wire.message(b"\x0a", ResourceMessage(attributes=wire.key_values(resource.attributes)).SerializeToString())
