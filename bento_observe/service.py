"""An observed BentoML service: the class that `observe` gives a service.

`Service.to_asgi` runs once per worker process, after BentoML knows who the worker is and before any middleware is
made: it is where everything of ours begins. The supervisor never calls it, so nothing is started there.
"""

from __future__ import annotations

from typing import Any

from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk import Service
from starlette.middleware import Middleware

from bento_observe._endpoints import with_endpoints
from bento_observe._middlewares import observed_middlewares
from bento_observe._process import application_started
from bento_observe._stages import close_stage, predict_stage
from bento_observe._tasks import ObservedTasks, Submitted
from bento_observe._worker import observe_worker, unobserve
from bento_observe.asgi import Observation
from bento_observe.batching import join_batch, leave_batch, observe_dispatcher
from bento_observe.dependencies import observe_clients, restore_clients

__all__ = ["ObservedAppFactory", "observed_application"]


class ObservedAppFactory(ObservedTasks, ServiceAppFactory):
    """BentoML's application with our middleware in the place of its tracing and its access log."""

    def __init__(self, service: Service[Any], observation: Observation, is_main: bool) -> None:
        super().__init__(service, is_main=is_main)
        self._observation = observation
        self._health = observation.telemetry.health
        self._submitted = Submitted()
        for name, dispatcher in self.dispatchers.items():
            observe_dispatcher(dispatcher, name, observation.source.add, observation.telemetry.health)
        observe_clients(observation.source.add, observation.telemetry.sampled, observation.telemetry.health)

    @property
    def middlewares(self) -> list[Middleware]:
        """BentoML's, less the two that ours replaces, ours first, our endpoints last."""
        observed = observed_middlewares(super().middlewares, self._observation, self._started)[0]
        return with_endpoints(observed, self._observation.endpoints)

    def _started(self) -> None:
        application_started(self._observation.telemetry)

    async def batch_infer(self, name: str, input_args: tuple[Any, ...], input_kwargs: dict[str, Any]) -> Any:
        """A request's part in a batch, from joining the queue to having its result: its predict stage."""
        health = self._observation.telemetry.health
        stage = predict_stage(name, health)
        token = join_batch(stage)
        try:
            result = await super().batch_infer(name, input_args, input_kwargs)
            recorder = self._observation.recorders.get(name)
            if recorder is not None:
                recorder.call_of(input_args, input_kwargs).identify(result)
            return result
        except BaseException as error:
            close_stage(stage, health, error)
            raise
        finally:
            leave_batch(token)
            close_stage(stage, health)


def observed_application(service: Service[Any], options: Any, is_main: bool) -> Any:
    """The service's application, observed. Raises whatever keeps it from being set up."""
    try:
        return ObservedAppFactory(service, observe_worker(service, options), is_main)()
    except Exception:
        unobserve(service)
        restore_clients()
        raise
