import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from gan_core.memory import CUDA_CONTEXT_BYTES, gpu_memory, limit_gpu_memory

FAULTS = """\
import resource
import torch
from gan_core.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [torch.ones(1024, 1024) for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
if {keep}:
    assert keep_freed_memory()
faults()
print(faults())
"""


def _faults(*, keep):
    """Count page faults in a process where glibc, left alone, gives large blocks back at once."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(keep=keep)],
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is asked")
def test_blocks_of_a_gradients_size_are_used_again_without_page_faults():
    assert _faults(keep=True) < 100 < _faults(keep=False)


@pytest.fixture
def card(monkeypatch):
    """A GPU of 16 GiB, as PyTorch describes it; returns the limits that this process has set."""
    fractions = [1.0]
    described = SimpleNamespace(total_memory=16 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device=None: described)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", fractions.append)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _device=None: fractions[-1])


@pytest.mark.parametrize(
    ("share", "memory"),
    [
        (1, 16 * 2**30),
        (0.5, 8 * 2**30 - CUDA_CONTEXT_BYTES),
        (0.25, 4 * 2**30 - CUDA_CONTEXT_BYTES),
        (0.01, 0),
    ],
)
def test_a_process_may_allocate_its_share_of_a_gpu(card, share, memory):
    limit_gpu_memory(share)
    assert gpu_memory("cuda") == pytest.approx(memory)


def test_other_devices_have_no_limit():
    assert gpu_memory("cpu") == float("inf")
