"""A legacy service that logs through `bentoml.monitor`: in its API, in its runner, and while it is imported."""

from __future__ import annotations

import bentoml
from bentoml._internal.context import server_context
from bentoml.io import JSON
from switch import maybe_observe


def log(where: str) -> None:
    with bentoml.monitor("legacy") as mon:
        mon.log(1.0, name=where, role="feature", data_type="numerical")


class Model(bentoml.legacy.Runnable):
    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    @bentoml.legacy.Runnable.method
    def double(self, number: float) -> float:
        log("run")
        return number * 2


log("imported")
print("imported by", server_context.service_type, flush=True)
runner = bentoml.legacy.Runner(Model, name="doubler")
svc = maybe_observe(bentoml.legacy.Service("monitored_legacy", runners=[runner]))


@svc.api(input=JSON(), output=JSON())
async def double(number: float) -> float:
    log("asked")
    return await runner.double.async_run(number)  # type: ignore[no-any-return]
