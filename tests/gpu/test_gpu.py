"""What only a GPU can show: NVML's readings, and tensors that are on one. `make gpu` in an environment with PyTorch."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server import BentoServer
from sink import Sink
from traffic import Request, send_all

from bento_observe import FeatureStatistics

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)

SERVICES = Path(__file__).parent / "services"
SOON = {"OTEL_METRIC_EXPORT_INTERVAL": "300", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}
ROWS = np.random.default_rng(3).normal(size=(500, 3)).astype(np.float32)


def counted(statistics: FeatureStatistics) -> dict[str, str]:
    """All that is known of each feature, of as many rows as came until now."""
    return {name: repr(feature) for name, feature in statistics.snapshot().features.items()}


def of(*data: object) -> dict[str, str]:
    """What some data makes a new aggregator count."""
    statistics = FeatureStatistics()
    for each in data:
        statistics.update(each)
        statistics.flush()  # sums are rounded as they are made
    found = counted(statistics)
    assert statistics.dropped == {}
    return found


def occupy() -> Any:
    """Give the GPU seconds of work; the event that says whether it has done them."""
    torch.cuda._sleep(2_000_000_000)
    done = torch.cuda.Event()
    done.record()
    return done


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"])
def test_a_tensor_on_the_gpu_counts_as_the_array_does(dtype: str) -> None:
    """Of every dtype that numpy has."""
    array = (ROWS > 0) if dtype == "bool" else np.abs(10 * ROWS).astype(dtype)
    assert of(torch.as_tensor(array).to("cuda")) == of(array) != {}


def test_of_other_dtypes_layouts_and_graphs() -> None:
    """bfloat16 as rounded to it; every other column, transposed; what gradients are wanted of."""
    tensor = torch.as_tensor(ROWS).to("cuda")
    assert of(tensor.bfloat16()) == of(tensor.bfloat16().double().cpu().numpy())
    assert of(tensor[:, ::2]) == of(ROWS[:, ::2])
    assert of(tensor.T[:, :5]) == of(ROWS.T[:, :5])
    assert of(2 * tensor.clone().requires_grad_()) == of(2 * ROWS)
    assert of({"a": tensor[:, 0], "b": 1.0}) == of({"a": ROWS[:, 0], "b": 1.0})
    assert of([tensor[:2], tensor[2:5]]) == of(ROWS[:5])


def test_nothing_waits_for_a_gpu_that_is_busy() -> None:
    """`update` is back before the tensor has been computed; what is written over it afterwards is not counted."""
    statistics = FeatureStatistics()
    tensor = torch.as_tensor(ROWS).to("cuda")
    statistics.update(tensor)
    statistics.flush()
    (3 * tensor).zero_()  # loading a kernel waits for the GPU, and is over with this
    torch.cuda.synchronize()
    done = occupy()
    computed = 3 * tensor
    statistics.update(computed)
    computed.zero_()
    assert not done.query()
    torch.cuda.synchronize()
    assert counted(statistics) == of(ROWS, 3 * ROWS)


def test_a_flush_does_not_wait_either() -> None:
    """What is late is counted by a later one."""
    statistics = FeatureStatistics()
    tensor = torch.as_tensor(ROWS).to("cuda")
    _ = tensor * 2
    done = occupy()
    statistics.update(tensor * 2)
    statistics.update(ROWS)
    statistics.flush()
    assert not done.query()
    assert statistics.pending == 1
    torch.cuda.synchronize()
    assert counted(statistics) == of(ROWS, 2 * ROWS)
    assert statistics.dropped == {}


def test_a_recording_of_a_graph_goes_on() -> None:
    """A copy within it would be part of the graph, an event would end it: such tensors are left out."""
    statistics = FeatureStatistics()
    static = torch.as_tensor(ROWS).to("cuda")
    _ = static * 2
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = static * 2
        statistics.update(result)
    assert statistics.dropped == {"unsupported_type": 1}
    static.add_(1)
    graph.replay()
    assert of(result) == of(torch.as_tensor(ROWS).add(1).mul(2).numpy())


def test_arrays_of_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise: they never change, so they are only kept until they have been fetched."""
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    jax = pytest.importorskip("jax")
    array = jax.numpy.asarray(ROWS)
    assert array.devices().pop().platform == "gpu"
    assert of(array) == of(ROWS)
    assert of(array.astype(jax.numpy.bfloat16)) == of(np.asarray(array.astype(jax.numpy.bfloat16)).astype(np.float64))
    assert of({"a": array[:, 0]}) == of({"a": ROWS[:, 0]})


def test_a_service_on_a_gpu(tmp_path: Path) -> None:
    """Its features and predictions are counted, and the GPU is told of by one worker, with what NVML says of it."""
    total = torch.cuda.get_device_properties(0).total_memory
    batches = [ROWS[start : start + 50] for start in range(0, len(ROWS), 50)]
    requests = [Request("predict", "/predict", json.dumps({"rows": batch.tolist()}).encode()) for batch in batches]
    work = Request("work", "/work", json.dumps({"seconds": 4.0}).encode())
    with (
        Sink() as sink,
        BentoServer("network:Network", {**SOON, **sink.environment()}, workers=2, directory=SERVICES) as server,
    ):
        assert {answer.status for answer in send_all(server.port, requests)} == {200}
        began = time.time_ns()
        assert send_all(server.port, [work])[0].status == 200
        ended = time.time_ns()
        server.stop()

    def rows(signal: str, feature: str) -> float:
        return sum(point.count for point in sink.last("ml.feature.value", ml__signal=signal, ml__feature__name=feature))

    assert rows("feature", "0") == rows("feature", "2") == rows("prediction", "confidence") == len(ROWS)
    points = [point for point in sink.points() if point.metric.startswith("hw.")]
    assert len({point.resource["process.pid"] for point in points}) == 1
    assert {point.attributes["hw.vendor"] for point in points} == {"NVIDIA"}

    def while_at_work(metric: str) -> list[tuple[float, float]]:
        """Seconds and values."""
        chosen = (point for point in points if point.metric == metric and began <= point.time_ns <= ended)
        return sorted({(point.time_ns / 1e9, point.value) for point in chosen})

    assert while_at_work("hw.gpu.memory.limit")[0][1] == pytest.approx(total, rel=0.05)
    assert max(value for _, value in while_at_work("hw.gpu.utilization")) > 0.5
    assert max(value for _, value in while_at_work("hw.gpu.memory.usage")) > 3 * 4 * 8192**2
    assert all(5 < value < 110 for _, value in while_at_work("hw.temperature"))
    power, energy = while_at_work("hw.power"), while_at_work("hw.energy")
    seconds = energy[-1][0] - energy[0][0]
    assert (energy[-1][1] - energy[0][1]) / seconds == pytest.approx(np.mean([value for _, value in power]), rel=0.3)
    for metric in ("hw.gpu.utilization", "hw.gpu.memory.usage", "hw.temperature", "hw.power"):
        print(metric, [round(value, 2) for _, value in while_at_work(metric)][:12])
