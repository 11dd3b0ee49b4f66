"""What it costs a request to have a tensor counted, where it lies on a GPU and where it does not.

    python benchmarks/gpu_tensors.py

Needs PyTorch and a GPU. Prints microseconds of the request's thread for each update of 1 x 100 float32 values, the
minimum and the median of 20 rounds of 500, the GPU being idle; and beside them what fetching the tensor there and then
would take.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from bento_observe import FeatureStatistics

ROUNDS, UPDATES = 20, 500


def main() -> None:
    import torch

    array = np.random.default_rng(1).normal(size=(1, 100)).astype(np.float32)
    on_cpu = torch.as_tensor(array)
    on_gpu = on_cpu.to("cuda")
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    counter = FeatureStatistics()
    cases: dict[str, Callable[[], object]] = {
        "numpy array": lambda: counter.update(array),
        "tensor in the CPU's memory": lambda: counter.update(on_cpu),
        "tensor on the GPU": lambda: counter.update(on_gpu),
        "fetching it instead": lambda: on_gpu.cpu(),
    }
    for name, case in cases.items():
        rounds = []
        for _ in range(ROUNDS):
            began = time.thread_time()
            for _ in range(UPDATES):
                case()
            rounds.append((time.thread_time() - began) / UPDATES * 1e6)
            torch.cuda.synchronize()
            counter.flush()
        print(f"{name:28} {min(rounds):6.2f} {statistics.median(rounds):6.2f}")
    assert counter.dropped == {}, counter.dropped


if __name__ == "__main__":
    main()
