"""Batches of a runner: its requests join them where BentoML's dispatcher takes them in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bento_observe._stages import close_stage, predict_stage
from bento_observe.batching import ObservedDispatcher, join_batch, leave_batch, observe_dispatcher
from bento_observe.request import BatchSpan
from bento_observe.telemetry import Health

__all__ = ["observe_runner_dispatcher"]


class _RunnerDispatcher(ObservedDispatcher):
    async def inbound_call(self, data: Any) -> Any:
        """A request's part in a batch, from joining the queue to having its result: its predict stage."""
        api, health = self.batches.api, self.batches.health
        stage = predict_stage(api, health)
        token = join_batch(stage)
        try:
            result = await super().inbound_call(data)
        except BaseException as error:
            close_stage(stage, health, error)
            raise
        finally:
            leave_batch(token)
        close_stage(stage, health, result if isinstance(result, Exception) else None)
        return result


def observe_runner_dispatcher(dispatcher: Any, method: str, add: Callable[[BatchSpan], None], health: Health) -> None:
    """Observe the batches of a runner's method, and the requests in them, as `observe_dispatcher` does."""
    observe_dispatcher(dispatcher, method, add, health, _RunnerDispatcher)
