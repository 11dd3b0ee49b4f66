"""Tensors: in the CPU's memory they count as arrays do, from a device they come later, and nobody waits for one.

PyTorch itself is too large for these tests: a stand-in does what we call. `tests/gpu` asks PyTorch and JAX on a GPU.
"""

from __future__ import annotations

import sys
import threading
import time
import types
from typing import Any

import bentoml
import numpy as np
import pytest

from bento_observe import FeatureStatistics, Reference, semconv
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References
from bento_observe.features import _tensors
from bento_observe.telemetry import Health


class Tensor:
    """Stands in for `torch.Tensor`: an array on a device. What is copied from one is there once `computed` is set."""

    computed = threading.Event()
    converted = 0
    """How many values were made float64."""

    def __init__(self, array: Any, device: str = "cpu", readable: bool = True, grad: bool = False) -> None:
        self.array = np.asarray(array)
        self.device = types.SimpleNamespace(type=device)
        self.shape = self.array.shape
        self._readable = readable
        self._grad = grad

    def detach(self) -> Tensor:
        return Tensor(self.array, self.device.type, self._readable)

    def __getitem__(self, rows: slice | None) -> Tensor:
        return Tensor(self.array[rows], self.device.type, self._readable, self._grad)

    def to(self, device: str, *, non_blocking: bool) -> Tensor:
        assert (device, non_blocking) == ("cpu", True)
        return Tensor(self.array.copy(), "cpu", self._readable)

    def double(self) -> Tensor:
        Tensor.converted += self.array.size
        return Tensor(self.array.astype(np.float64))

    def numpy(self) -> Any:
        if self.device.type != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if self._grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")
        if not self._readable:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


class _Event:
    def record(self, stream: object) -> None:
        pass

    def query(self) -> bool:
        return Tensor.computed.is_set()


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("torch")
    cuda = types.SimpleNamespace(
        Event=_Event, current_stream=lambda device: device, is_current_stream_capturing=lambda: False
    )
    module.__dict__.update(Tensor=Tensor, cuda=cuda)
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setattr(Tensor, "computed", threading.Event())
    monkeypatch.setattr(Tensor, "converted", 0)
    return module


ROWS = np.arange(12.0).reshape(6, 2)
LARGE = np.ones((500, 50))  # more than a step of a flush takes


class _Api:
    @bentoml.api
    def score(self, data: np.ndarray) -> float:
        return float(data.sum())


def same(found: FeatureStatistics, data: object) -> bool:
    """Whether it has counted what an array, or a dict of lists, would have made it count."""
    other = FeatureStatistics()
    other.update(data)
    return counted(found) == counted(other)


class Eager:
    """Stands in for an eager tensor of TensorFlow, which cannot be asked whether it has been computed."""

    shape = (6, 2)

    def __init__(self, device: str) -> None:
        self.device = f"/job:localhost/replica:0/task:0/device:{device}:0"

    def numpy(self) -> Any:
        assert "CPU" in self.device, "this would wait"
        return types.SimpleNamespace(dtype=types.SimpleNamespace(kind="V"), astype=ROWS.astype)  # as of its bfloat16


def counts_of(data: object) -> dict[str, int]:
    statistics = FeatureStatistics()
    statistics.update(data)
    return {name: feature.count for name, feature in statistics.snapshot().features.items()}


def counted_by_interval(statistics: FeatureStatistics) -> dict[str, int]:
    found, _ = statistics.interval(delta=False)
    return {name: feature.count for name, feature in found.features.items()}


def counted(statistics: FeatureStatistics) -> dict[str, str]:
    """All that is known of each feature."""
    return {name: repr(feature) for name, feature in statistics.snapshot().features.items()}


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("readable", [True, False])
def test_a_tensor_in_the_cpus_memory_is_an_array(readable: bool, grad: bool) -> None:
    """One that is trained, and one of a dtype that numpy does not have, too."""
    statistics = FeatureStatistics()
    statistics.update(Tensor(ROWS, readable=readable, grad=grad))
    assert same(statistics, ROWS)
    assert statistics.dropped == {}


def test_what_is_changed_afterwards_was_counted_as_it_was() -> None:
    """As for arrays: a handler may write into its buffers again."""
    statistics = FeatureStatistics()
    buffer = ROWS.copy()
    statistics.update(Tensor(buffer))
    statistics.update(Tensor(buffer, "cuda"))
    buffer[:] = -1
    Tensor.computed.set()
    assert same(statistics, np.concatenate([ROWS, ROWS]))


def test_a_tensor_on_a_gpu_is_counted_once_it_has_been_computed() -> None:
    """What arrives meanwhile is counted as well."""
    statistics = FeatureStatistics()
    statistics.update(Tensor(ROWS, "cuda"))
    statistics.update(ROWS)
    threading.Timer(0.1, Tensor.computed.set).start()
    assert same(statistics, np.concatenate([ROWS, ROWS]))


def test_a_flush_waits_for_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is counted, whatever came before it is not yet; that is counted by a later one."""
    monkeypatch.setattr(time, "sleep", pytest.fail)
    statistics = FeatureStatistics()
    for _ in range(3):
        statistics.update(Tensor(LARGE, "cuda"))
    statistics.update(ROWS)
    statistics.flush()
    assert statistics.pending == 3
    assert counted_by_interval(statistics) == counts_of(ROWS)
    assert statistics.pending == 3
    Tensor.computed.set()
    assert statistics.snapshot().features["0"].count == len(ROWS) + 3 * len(LARGE)
    assert (statistics.pending, statistics.dropped) == (0, {})


def test_a_snapshot_waits_once_for_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second in all by the clock, however many and however large they are."""
    clock = [1000.0]
    monkeypatch.setattr(_tensors.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(_tensors.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    statistics = FeatureStatistics()
    for _ in range(20):
        statistics.update(Tensor(LARGE, "cuda"))
    statistics.snapshot()
    assert clock[0] - 1000 == pytest.approx(1.0, abs=0.01)
    assert statistics.pending == 20


def test_what_a_gpu_does_not_compute_is_given_up_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds later, and its place is free again."""
    clock = [1000.0]
    monkeypatch.setattr(_tensors.time, "monotonic", lambda: clock[0])
    statistics = FeatureStatistics(max_pending=80)
    statistics.update(Tensor(ROWS, "cuda"))
    statistics.update(Tensor(ROWS, "cuda"))
    assert statistics.dropped == {"buffer_full": 1}
    clock[0] += 10.5
    statistics.flush()
    statistics.update(Tensor(ROWS, "cuda"))
    assert (statistics.pending, statistics.dropped) == (1, {"buffer_full": 1, "device_busy": 1})


def test_a_worker_that_ends_counts_what_a_gpu_never_computed() -> None:
    """It waits a moment, and all that is left is told as dropped before the last metrics."""
    health = Health()
    recording = FeatureRecording(References(None, pytest.fail), {}, health, Drift())
    recorder = recording.recorder(_Api.score, "score")
    recorder.record("feature", Tensor(ROWS, "cuda"), ())
    recorder.record("feature", Tensor(ROWS, "cuda"), ())
    recorder.record("feature", ROWS, ())
    recording.end()
    assert health.counts()[semconv.DROPPED] == {("features", "device_busy"): 2}
    Tensor.computed.set()
    for delta in (False, True):
        (scope,) = recording.collect(time.time_ns(), delta)
        assert sum(point.count for point in _values(scope)) == ROWS.size  # and none of what was told to be lost


def _values(scope: Any) -> list[Any]:
    (found,) = (metric for metric in scope.metrics if metric.name == semconv.FEATURE_VALUE.name)
    return list(found.exponential_histogram.data_points)


def test_what_a_device_can_no_longer_give_costs_nothing_else() -> None:
    """JAX's arrays can be given away before they have landed, and a device can fail."""

    class Gone(Eager):
        def is_ready(self) -> bool:
            raise RuntimeError("Array has been deleted")

        def copy_to_host_async(self) -> None:
            pass

    statistics = FeatureStatistics()
    sys.modules["jax"] = types.SimpleNamespace(Array=Gone)  # type: ignore[assignment]
    try:
        statistics.update(Gone("GPU"))
        statistics.update(Tensor(ROWS, "cuda"))
        statistics.update(ROWS)
        Tensor.computed.set()
        assert same(statistics, np.concatenate([ROWS, ROWS]))
    finally:
        del sys.modules["jax"]
    assert statistics.dropped == {"error": 1}
    assert statistics._intake._landings.cost == 0


def test_collecting_with_delta_temporality_waits_for_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a reference, it looks at all since the start as well."""
    monkeypatch.setattr(time, "sleep", pytest.fail)
    reference = Reference.from_frame(np.random.default_rng(1).normal(size=(500, 2)))
    recording = FeatureRecording(References(reference, pytest.fail), {}, Health(), Drift(windows={"1h": 3600.0}))
    recorder = recording.recorder(_Api.score, "score")
    recorder.record("input", Tensor(ROWS, "cuda"), ())
    recorder.record("input", ROWS, ())
    assert list(recording.collect(time.time_ns(), True))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_tensors_within_dicts_and_lists(device: str) -> None:
    """A vector is a column, a matrix has columns of its own, a scalar is a value; those of a list are rows."""
    Tensor.computed.set()
    statistics = FeatureStatistics()
    statistics.update({"a": 1.0, "b": Tensor([1.0, 2.0], device), "c": Tensor(3.0, device)})
    assert same(statistics, {"a": 1.0, "b": [1.0, 2.0], "c": 3.0})

    statistics = FeatureStatistics()
    statistics.update({"pixels": Tensor(ROWS, device)})
    assert same(statistics, {"pixels": ROWS})

    statistics = FeatureStatistics()
    statistics.update([Tensor(ROWS, device), Tensor(ROWS, device)])
    statistics.update([Tensor([1.0, 2.0], device)])
    assert same(statistics, np.concatenate([ROWS, ROWS, [[1.0, 2.0]]]))


def test_only_what_is_counted_is_converted() -> None:
    """numpy has no bfloat16: what has too many dimensions, or rows that are left out, is not made float64 first."""
    statistics = FeatureStatistics(max_rows=100)
    statistics.update(Tensor(np.zeros((100_000, 4)), readable=False))
    statistics.update(Tensor(np.zeros((8, 512, 64)), readable=False))
    assert Tensor.converted <= 400
    assert statistics.dropped == {"sampled": 99_900, "too_wide": 8}


def test_of_a_long_list_of_tensors_some_are_taken() -> None:
    """Each is a copy of its own."""
    statistics = FeatureStatistics()
    statistics.update([Tensor(ROWS, "cuda")] * 20_000)
    assert 200 <= statistics.pending <= 256
    assert statistics.pending + statistics.dropped["sampled"] == 20_000


def test_tensors_of_tensorflow_count_where_nobody_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the CPU's memory."""
    monkeypatch.setitem(sys.modules, "tensorflow", types.SimpleNamespace(Tensor=Eager))
    statistics = FeatureStatistics()
    statistics.update(Eager("CPU"))
    statistics.update(Eager("GPU"))
    assert same(statistics, ROWS)
    assert statistics.dropped == {"unsupported_type": 1}


def test_large_tensors_are_sampled_before_they_are_copied() -> None:
    """Only those rows cross the bus."""
    Tensor.computed.set()
    statistics, arrays = FeatureStatistics(max_rows=100), FeatureStatistics(max_rows=100)
    data = np.random.default_rng(1).normal(size=(10_000, 4))
    statistics.update(Tensor(data, "cuda"))
    arrays.update(data)
    assert counted(statistics) == counted(arrays)
    assert statistics.dropped == arrays.dropped == {"sampled": 9900}


def test_what_cannot_be_had_without_waiting_is_counted(torch: Any) -> None:
    """Another kind of device; a stream that is recorded into a graph; too many dimensions; what is no plain array."""
    statistics = FeatureStatistics()
    statistics.update(Tensor(ROWS, "mps"))
    statistics.update({"a": Tensor(ROWS, "meta")})
    torch.cuda.is_current_stream_capturing = lambda: True
    statistics.update(Tensor(ROWS, "cuda"))
    assert statistics.dropped == {"unsupported_type": 3}

    for device in ("cpu", "cuda"):
        statistics = FeatureStatistics()
        statistics.update(Tensor(np.zeros((5, 3, 3)), device))
        assert statistics.dropped == {"too_wide": 5}
    assert statistics.snapshot().features == {}
