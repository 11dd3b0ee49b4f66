"""An observed BentoML service: the class that `observe` gives a service.

`Service.to_asgi` runs once per worker process, after BentoML knows who the worker is and before any middleware is
made: it is where everything of ours begins. The supervisor never calls it, so nothing is started there.
"""

from __future__ import annotations

import time
from typing import Any

from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk import Service
from bentoml._internal.server.http.access import AccessLogMiddleware
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from starlette.middleware import Middleware

from bento_observe import _logging
from bento_observe._worker import observe_worker
from bento_observe.asgi import Observation, ObserveMiddleware
from bento_observe.calls import predict_stage

__all__ = ["ObservedAppFactory", "observed_application"]


class ObservedAppFactory(ServiceAppFactory):
    """BentoML's application with our middleware in the place of its tracing and its access log."""

    def __init__(self, service: Service[Any], observation: Observation, is_main: bool) -> None:
        super().__init__(service, is_main=is_main)
        self._observation = observation

    @property
    def middlewares(self) -> list[Middleware]:
        """BentoML's, less the two that ours replaces, ours first."""
        kept: list[Middleware] = []
        replaced: list[Middleware] = []
        for middleware in super().middlewares:
            (replaced if middleware.cls in (OpenTelemetryMiddleware, AccessLogMiddleware) else kept).append(middleware)

        def wrap_websocket(app: Any) -> Any:
            for middleware in reversed(replaced):
                app = middleware.cls(app, *middleware.args, **middleware.kwargs)
            return app

        observe = Middleware(
            ObserveMiddleware,
            observation=self._observation,
            wrap_websocket=wrap_websocket,
            on_startup=lambda: _logging.attach(self._observation.telemetry.log_handler),
        )
        return [observe, *kept]

    async def batch_infer(self, name: str, input_args: tuple[Any, ...], input_kwargs: dict[str, Any]) -> Any:
        """A request's part in a batch, from joining the queue to having its result: its predict stage."""
        stage = predict_stage(name, self._observation.telemetry.health)
        if stage is None:
            return await super().batch_infer(name, input_args, input_kwargs)
        try:
            result = await super().batch_infer(name, input_args, input_kwargs)
        except BaseException as error:
            stage.close(time.perf_counter_ns(), error)
            raise
        stage.close(time.perf_counter_ns())
        return result


def observed_application(service: Service[Any], options: Any, is_main: bool) -> Any:
    """The service's application, observed. Raises whatever keeps it from being set up."""
    return ObservedAppFactory(service, observe_worker(service, options), is_main)()
