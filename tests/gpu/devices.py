"""The devices of tests whose bodies run on a GPU and on a CPU."""

import pytest
import torch

NEEDS_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU"),
]


def on_each_device(*, slow_on_cpu=False):
    """Return the decorator that runs a test with ``device`` cuda, under the marker ``gpu``, and cpu.

    Without a GPU, the test on the CPU shows that the body runs. With ``slow_on_cpu``, only ``pytest -m slow``
    runs it.
    """
    marks = [pytest.mark.slow] if slow_on_cpu else []
    devices = [pytest.param("cuda", marks=NEEDS_GPU), pytest.param("cpu", marks=marks)]
    return pytest.mark.parametrize("device", devices)
