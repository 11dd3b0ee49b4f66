"""OTLP over gRPC: the Export methods of the trace, metrics and logs services."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc

from bento_observe.dev._loopback import HOST, listen
from bento_observe.dev._protocol import MAX_BODY_BYTES, SERVICES, Service
from bento_observe.dev._store import Store

__all__ = ["GrpcServer"]

_THREADS: Final = 4
_STOP_S: Final = 2.0
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    # A second server at the same port is an error, not a lottery.
    ("grpc.so_reuseport", 0),
)


class GrpcServer:
    """Serves from construction until `close`, at `port`."""

    def __init__(self, store: Store, port: int, *, otherwise_free: bool = False) -> None:
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="bento-observe-dev-grpc")
        self._server = grpc.server(pool, options=_OPTIONS)
        self._server.add_generic_rpc_handlers([_handlers(service, store) for service in SERVICES])
        # gRPC opens its own socket and says little when it can't: ask for the port first, then leave it to gRPC.
        with listen(port, otherwise_free=otherwise_free) as probe:
            free = int(probe.getsockname()[1])
        self.port = self._server.add_insecure_port(f"{HOST}:{free}")
        self._server.start()

    def close(self) -> None:
        """Answers what is being received, then stops."""
        self._server.stop(_STOP_S).wait()


def _handlers(service: Service, store: Store) -> grpc.GenericRpcHandler[Any, Any]:
    handler = grpc.unary_unary_rpc_method_handler(
        _export(service, store),
        request_deserializer=service.request.FromString,
        response_serializer=service.response.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(service.grpc_name, {"Export": handler})


def _export(service: Service, store: Store) -> Callable[[Any, grpc.ServicerContext], Any]:
    def export(request: Any, context: grpc.ServicerContext) -> Any:
        if not store.offer(service.signal, request, request.ByteSize()):
            # The status that OTLP lets senders retry, with backing off.
            context.abort(grpc.StatusCode.UNAVAILABLE, "the receiver's queue is full")
        return service.response()

    return export
